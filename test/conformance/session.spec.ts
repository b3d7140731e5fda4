import { describe, expect, it } from '@jest/globals';
import {
  backUp,
  event,
  ours,
  sessionClosed,
  until,
  useEngines,
  type Harness,
  type SessionLike,
} from '../support/wire-engine.js';
import { message, everyRow, type Connection, type OpenOptions, type Row } from '../support/wire-rows.js';

const start = useEngines();

async function connect(
  row: Row,
  open: OpenOptions = {},
): Promise<{ target: Harness; client: Connection; session: SessionLike }> {
  const target = await start();
  const client = await row.open(target, open);
  const session = await target.sessions.next();
  return { target, client, session };
}

describe.each(everyRow)('session over $name', (row) => {
  it('calls back once for each send, in order, when the packets have left', async () => {
    const { client, session } = await connect(row);
    const left: string[] = [];
    const last = new Promise<void>((resolve) => {
      session.send('a', {}, () => left.push('a'));
      session.send('b', () => left.push('b'));
      session.send('no callback');
      session.send(Buffer.from('c'), {}, () => {
        left.push('c');
        resolve();
      });
    });
    expect(left).toEqual([]);
    for (let i = 0; i < 4; i++) await client.receive();
    await last;
    session.send('d', {}, () => left.push('d'));
    expect((await client.receive()).data).toBe('d');
    await until(() => left.length === 4);
    expect(left).toEqual(['a', 'b', 'c', 'd']);
  });

  it('hands the transport to the callback', async () => {
    const { session } = await connect(row);
    const [transport] = await new Promise<unknown[]>((resolve) => session.send('x', {}, (...args) => resolve(args)));
    expect(transport).toMatchObject({ name: row.transport });
  });

  it('does not call back for what never left', async () => {
    const { client, session } = await connect(row, { paused: true });
    await until(() => row.answersPerExchange || session.transport.writable);
    let called = 0;
    const ended = sessionClosed(session);
    session.close(true);
    session.send('too late', {}, () => called++);
    await ended;
    client.drop();
    await new Promise(setImmediate);
    expect(called).toBe(0);
  });

  it('takes write as another name of send, and both return the session', async () => {
    const { client, session } = await connect(row);
    expect(session.write('one')).not.toBeNull();
    expect(session.send('two')).toBe(session);
    expect(await client.receive()).toEqual(message('one'));
    expect(await client.receive()).toEqual(message('two'));
  });

  it('is not writable while its client does not take what was sent, and becomes writable again', async () => {
    const { client, session } = await connect(row, { paused: true });
    const sent = await backUp(session);
    client.resume();
    for (let i = 0; i < sent; i++) await client.receive();
    await until(() => session.transport.writable);
  });

  it('tells when it flushes and when its buffer is empty, on itself and on the engine', async () => {
    const { target, client, session } = await connect(row);
    await until(() => session.transport.writable);
    const seen: string[] = [];
    session.on('flush', (buffer: unknown[]) => seen.push(`session flush ${buffer.length}`));
    target.engine.on('flush', (who: SessionLike, buffer: unknown[]) =>
      seen.push(`engine flush ${buffer.length} ${who === session}`),
    );
    session.on('drain', () => seen.push('session drain'));
    target.engine.on('drain', (who: SessionLike) => seen.push(`engine drain ${who === session}`));
    session.send('x');
    await client.receive();
    expect(seen).toEqual(['session flush 1', 'engine flush 1 true', 'session drain', 'engine drain true']);
  });

  it('keeps in writeBuffer what it cannot send yet', async () => {
    const { client, session } = await connect(row, { paused: true });
    const sent = await backUp(session);
    session.send('second');
    session.send('third');
    expect(session.writeBuffer.map((packet) => (packet as { data: string }).data)).toEqual(['second', 'third']);
    client.resume();
    for (let i = 0; i < sent; i++) await client.receive();
    expect(await client.receive()).toEqual(message('second'));
    expect(await client.receive()).toEqual(message('third'));
    await until(() => session.writeBuffer.length === 0);
  });

  // stock writes into the object
  if (ours)
    it('does not change a write options object that many sessions share', async () => {
      const { client, session } = await connect(row);
      const options = Object.freeze({ preEncoded: true, volatile: false, compress: true });
      session.write('shared', options);
      expect(await client.receive()).toEqual(message('shared'));
    });

  it('survives listeners that close it while it delivers', async () => {
    const { target, client, session } = await connect(row);
    const received: unknown[] = [];
    session.on('message', (data) => {
      received.push(data);
      session.close(true);
    });
    const ended = sessionClosed(session);
    await client.send(message('close me'), message('too late')).catch(() => {});
    expect((await ended).reason).toBe('forced close');
    await client.closed;
    expect(received).toEqual(['close me']);
    expect(target.engine.clientsCount).toBe(0);
  });

  it('can be closed in the connection event', async () => {
    const target = await start();
    target.engine.on('connection', (session: SessionLike) => session.close());
    const client = await row.open(target);
    await client.closed;
    await until(() => target.engine.clientsCount === 0);
  });

  it('can be answered from a callback of its own close event', async () => {
    const { client, session } = await connect(row);
    const ended = event(session, 'close').then(() => session.send('too late').readyState);
    session.close();
    await client.closed;
    expect(await ended).toBe('closed');
  });
});
