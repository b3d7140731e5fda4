import { describe, expect, it } from '@jest/globals';
import { backUp, sessionClosed, until, useEngines, type Harness, type SessionLike } from '../support/wire-engine.js';
import { message, everyRow, type Connection, type OpenOptions, type Row } from '../support/wire-rows.js';

const start = useEngines();

async function connect(
  row: Row,
  options = {},
  open: OpenOptions = {},
): Promise<{ target: Harness; client: Connection; session: SessionLike }> {
  const target = await start(options);
  const client = await row.open(target, open);
  return { target, client, session: await target.sessions.next() };
}

describe.each(everyRow)('close over $name', (row) => {
  it('by the client ends the session', async () => {
    const { target, client, session } = await connect(row);
    const ended = sessionClosed(session);
    await client.close();
    expect((await ended).reason).toBe(row.reasons.close);
    expect(session.readyState).toBe('closed');
    expect(target.engine.clientsCount).toBe(0);
  });

  it('by a client that vanishes ends the session', async () => {
    const { target, client, session } = await connect(row, row.vanishing);
    // an exchange, so that a transport that parks a request has it parked again
    session.send('hello');
    await client.receive();
    await until(() => session.transport.writable);
    const ended = sessionClosed(session);
    client.drop();
    expect((await ended).reason).toBe(row.reasons.drop);
    expect(target.engine.clientsCount).toBe(0);
  });

  it('by the server ends the session and tells the client', async () => {
    const { target, client, session } = await connect(row);
    const ended = sessionClosed(session);
    session.close();
    expect(session.readyState).not.toBe('open');
    await client.closed;
    expect((await ended).reason).toBe('forced close');
    expect(target.engine.clientsCount).toBe(0);
  });

  it('by the server delivers first what was sent before', async () => {
    const { client, session } = await connect(row);
    session
      .send('last')
      .send(Buffer.from([1, 2]))
      .send('words');
    session.close();
    expect(await client.receive()).toEqual(message('last'));
    expect(await client.receive()).toEqual(message(Buffer.from([1, 2])));
    expect(await client.receive()).toEqual(message('words'));
    await client.closed;
  });

  it('by the server waits for a client that is not receiving yet', async () => {
    const { client, session } = await connect(row, {}, { paused: true });
    const ended = sessionClosed(session);
    for (let i = 0; i < 50; i++) session.send(`kept ${i}`);
    session.close();
    client.resume();
    for (let i = 0; i < 50; i++) expect(await client.receive()).toEqual(message(`kept ${i}`));
    await client.closed;
    expect((await ended).reason).toBe('forced close');
  });

  it('by the server drops what is sent after it', async () => {
    const { client, session } = await connect(row);
    session.send('before');
    session.close();
    session.send('after');
    expect(await client.receive()).toEqual(message('before'));
    await client.closed;
    await expect(Promise.race([client.receive(), Promise.resolve('nothing')])).resolves.toBe('nothing');
  });

  it('with discard does not wait for the client', async () => {
    const { target, client, session } = await connect(row, {}, { paused: true });
    const ended = sessionClosed(session);
    session.send('never read');
    session.close(true);
    expect((await ended).reason).toBe('forced close');
    expect(target.engine.clientsCount).toBe(0);
    client.resume();
    await client.closed;
  });

  it('twice, or after the end, changes nothing', async () => {
    const { client, session } = await connect(row);
    let closes = 0;
    session.on('close', () => closes++);
    session.close();
    session.close();
    await client.closed;
    await until(() => closes > 0);
    session.close();
    session.close(true);
    session.send('to nobody');
    await new Promise(setImmediate);
    expect(closes).toBe(1);
    expect(session.readyState).toBe('closed');
  });

  it('makes the session id unknown', async () => {
    const { target, client, session } = await connect(row);
    const ended = sessionClosed(session);
    await client.close();
    await ended;
    const refusal = await row.refused(target, { query: `sid=${client.sid}` });
    expect(refusal).toMatchObject({ status: row.refusalStatus(1), message: 'Session ID unknown' });
  });

  it('shows what could not be delivered', async () => {
    const { session } = await connect(row, {}, { paused: true });
    await backUp(session);
    session.send('one').send('two');
    const undelivered = new Promise<unknown[]>((resolve) =>
      session.once('close', () => resolve(session.writeBuffer.map((packet) => (packet as { data: string }).data))),
    );
    session.close(true);
    expect(await undelivered).toEqual(['one', 'two']);
    await until(() => session.writeBuffer.length === 0);
  });

  it('after an invalid packet has the reason "parse error"', async () => {
    const { target, client, session } = await connect(row);
    const received: unknown[] = [];
    session.on('message', (data) => received.push(data));
    const ended = sessionClosed(session);
    await client.send({ type: 'message', data: 'fine' });
    await client.send({ type: 'x' as 'message', data: 'abc' }).catch(() => {});
    expect((await ended).reason).toBe('parse error');
    expect(received).toEqual(['fine']);
    expect(target.engine.clientsCount).toBe(0);
    await client.closed;
  });

  it('of the engine ends every session', async () => {
    const target = await start();
    const clients = [await row.open(target), await row.open(target), await row.open(target, { paused: true })];
    const sessions = await target.sessions.take(3);
    const ended = Promise.all(sessions.map(sessionClosed));
    target.engine.close();
    expect((await ended).map(({ reason }) => reason)).toEqual(['forced close', 'forced close', 'forced close']);
    expect(target.engine.clientsCount).toBe(0);
    clients[2]!.resume();
    await Promise.all(clients.map((client) => client.closed));
  });

  it('leaves no session behind after a crowd has come and gone', async () => {
    const target = await start();
    const clients = await Promise.all(Array.from({ length: 30 }, () => row.open(target)));
    expect(target.engine.clientsCount).toBe(30);
    await Promise.all(clients.map((client, i) => (i % 2 ? client.close() : client.drop())));
    // a client that left between two requests is noticed by the heartbeat only, so the rest is closed by hand
    const sessions = await target.sessions.take(30);
    for (const session of sessions) session.close(true);
    await until(() => target.engine.clientsCount === 0);
  });
});
