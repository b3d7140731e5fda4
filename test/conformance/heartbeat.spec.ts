import { describe, expect, it } from '@jest/globals';
import { event, sessionClosed, useEngines, type Harness, type SessionLike } from '../support/wire-engine.js';
import { message, everyRow, type Connection, type Row } from '../support/wire-rows.js';

const start = useEngines();

async function connect(row: Row, options = {}): Promise<{ target: Harness; client: Connection; session: SessionLike }> {
  const target = await start(options);
  const client = await row.open(target);
  return { target, client, session: await target.sessions.next() };
}

describe.each(everyRow.filter((row) => row.protocol === 4))('heartbeat over $name', (row) => {
  it('is a ping from the server and a pong from the client, again and again', async () => {
    const { client, session } = await connect(row, { pingInterval: 30, pingTimeout: 5_000 });
    for (let round = 0; round < 3; round++) {
      const beat = event(session, 'heartbeat');
      expect(await client.receive()).toEqual({ type: 'ping' });
      await client.send({ type: 'pong' });
      await beat;
    }
    expect(session.readyState).toBe('open');
  });

  it('comes no sooner than the interval', async () => {
    const opened = performance.now();
    const { client } = await connect(row, { pingInterval: 150, pingTimeout: 5_000 });
    expect(await client.receive()).toEqual({ type: 'ping' });
    expect(performance.now() - opened).toBeGreaterThan(140);
  });

  it('ends the session when no pong comes', async () => {
    const { target, client, session } = await connect(row, { pingInterval: 60, pingTimeout: 60 });
    const { reason } = await sessionClosed(session);
    expect(reason).toBe('ping timeout');
    expect(session.readyState).toBe('closed');
    expect(target.engine.clientsCount).toBe(0);
    await client.closed;
  });

  it('ends a session whose client receives nothing', async () => {
    const target = await start({ pingInterval: 60, pingTimeout: 60 });
    await row.open(target, { paused: true });
    expect((await sessionClosed(await target.sessions.next())).reason).toBe('ping timeout');
  });

  it('grants more time when another packet comes instead of the pong', async () => {
    const { client, session } = await connect(row, { pingInterval: 40, pingTimeout: 300 });
    const ended = sessionClosed(session);
    expect(await client.receive()).toEqual({ type: 'ping' });
    const pinged = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 150)); // half of the time-out is the subject here
    await client.send(message('busy'));
    expect((await ended).reason).toBe('ping timeout');
    expect(performance.now() - pinged).toBeGreaterThan(430);
  });

  it('is not satisfied by messages for ever', async () => {
    const { client, session } = await connect(row, { pingInterval: 40, pingTimeout: 120 });
    const chatter = setInterval(() => client.send(message('busy')).catch(() => {}), 20);
    try {
      expect((await sessionClosed(session)).reason).toBe('ping timeout');
    } finally {
      clearInterval(chatter);
    }
  });

  it('in the wrong direction ends the session', async () => {
    const { target, client, session } = await connect(row);
    const ended = sessionClosed(session);
    await client.send({ type: 'ping' }).catch(() => {});
    const { reason, description } = await ended;
    expect(reason).toBe('transport error');
    expect(String(description)).toContain('invalid heartbeat direction');
    await client.closed;
    expect(target.engine.clientsCount).toBe(0);
  });

  it('takes a pong that nobody asked for', async () => {
    const { client, session } = await connect(row);
    const arrived = event(session, 'message');
    await client.send({ type: 'pong' }, message('still here'));
    expect(await arrived).toEqual(['still here']);
  });
});

describe.each(everyRow.filter((row) => row.protocol === 3))('heartbeat over $name', (row) => {
  it('is a ping from the client and a pong from the server, again and again', async () => {
    const { client, session } = await connect(row, { pingInterval: 5_000, pingTimeout: 5_000 });
    for (let round = 0; round < 3; round++) {
      const beat = event(session, 'heartbeat');
      await client.send({ type: 'ping' });
      expect(await client.receive()).toEqual({ type: 'pong' });
      await beat;
    }
  });

  it('keeps the session alive past interval plus time-out', async () => {
    const { client, session } = await connect(row, { pingInterval: 100, pingTimeout: 400 });
    const opened = performance.now();
    while (performance.now() - opened < 900) {
      await client.send({ type: 'ping' });
      expect(await client.receive()).toEqual({ type: 'pong' });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(session.readyState).toBe('open');
  });

  it('ends the session when no ping comes within interval plus time-out', async () => {
    const opened = performance.now();
    const { target, client, session } = await connect(row, { pingInterval: 100, pingTimeout: 60 });
    expect((await sessionClosed(session)).reason).toBe('ping timeout');
    expect(performance.now() - opened).toBeGreaterThan(150);
    expect(target.engine.clientsCount).toBe(0);
    await client.closed;
  });

  it('in the wrong direction ends the session', async () => {
    const { client, session } = await connect(row);
    const ended = sessionClosed(session);
    await client.send({ type: 'pong' }).catch(() => {});
    const { reason, description } = await ended;
    expect(reason).toBe('transport error');
    expect(String(description)).toContain('invalid heartbeat direction');
    await client.closed;
  });
});
