import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { writable$ } from 'nestwire';
import { EventEmitter } from 'node:events';
import { take, type Observable } from 'rxjs';
import { startLive, until, type Live } from '../client/support.js';
import { waitingBytes } from '../../lib/streams/writable.js';
import { connectReader, READERS, turn } from './readers.js';
import { FakeClient } from './support.js';

const KIB = 1024;

function record(source$: Observable<boolean>) {
  const log: (boolean | 'complete')[] = [];
  const subscription = source$.subscribe({ next: (value) => log.push(value), complete: () => log.push('complete') });
  return { log, subscription };
}

describe('waitingBytes', () => {
  it('is what waits on the connection of a client', () => {
    const client = new FakeClient();
    client.conn.waitingBytes = 7;
    expect(waitingBytes(client.socket)).toBe(7);
  });

  it('is 0 where nothing is known of it: the engine is not ours, or on another node', () => {
    expect(waitingBytes({ conn: {} } as never)).toBe(0);
  });
});

describe('writable$', () => {
  it('begins with what is so, and tells changes only', () => {
    const client = new FakeClient();
    const { log } = record(writable$(client.socket, { bytes: 100 }));
    expect(log).toEqual([true]);
    for (let i = 0; i < 5; i++) client.conn.send(50);
    expect(log).toEqual([true, false]);
    client.conn.drainTo(0);
    expect(log).toEqual([true, false, true]);
    client.conn.send(10);
    expect(log).toEqual([true, false, true]);
  });

  it('counts what waits already: one message of any size may be sent', () => {
    const client = new FakeClient();
    const { log } = record(writable$(client.socket, { bytes: 100 }));
    client.conn.send(1_000_000);
    expect(log).toEqual([true]);
    client.conn.send(1);
    expect(log).toEqual([true, false]);
  });

  it('is true again when half of the bytes have left, however often something leaves', () => {
    const client = new FakeClient();
    const { log } = record(writable$(client.socket, { bytes: 100 }));
    client.conn.send(200);
    client.conn.send(200);
    for (const rest of [300, 101, 100, 51]) {
      client.conn.drainTo(rest);
      expect(log).toEqual([true, false]);
    }
    client.conn.drainTo(50);
    expect(log).toEqual([true, false, true]);
    // within the limit nothing changes
    client.conn.send(40);
    client.conn.send(40);
    expect(log).toEqual([true, false, true]);
  });

  it('begins with false for a client that is slow already', () => {
    const client = new FakeClient();
    client.conn.waitingBytes = 300 * KIB;
    const { log } = record(writable$(client.socket));
    expect(log).toEqual([false]);
    client.conn.drainTo(128 * KIB);
    expect(log).toEqual([false, true]);
  });

  it('lets 256 KiB wait by default', () => {
    const client = new FakeClient();
    const { log } = record(writable$(client.socket));
    client.conn.waitingBytes = 256 * KIB;
    client.conn.send(1);
    expect(log).toEqual([true]);
    client.conn.send(1);
    expect(log).toEqual([true, false]);
  });

  it.each([
    ['a client that takes all', 0],
    ['a slow one', 200],
  ])('completes when %s disconnects, and leaves nothing behind', (_what, waiting) => {
    const client = new FakeClient();
    client.conn.waitingBytes = waiting;
    const { log } = record(writable$(client.socket, { bytes: 100 }));
    client.disconnect();
    expect(log).toEqual([waiting === 0, 'complete']);
    expect(client.listening).toBe(0);
  });

  it.each([0, 200])('is empty for a client that is not connected (%i bytes wait)', (waiting) => {
    const client = new FakeClient();
    client.conn.waitingBytes = waiting;
    client.disconnect();
    const { log } = record(writable$(client.socket, { bytes: 100 }));
    expect(log).toEqual(['complete']);
    expect(client.listening).toBe(0);
  });

  it.each([0, 200])('leaves nothing behind when it is unsubscribed (%i bytes wait)', (waiting) => {
    const client = new FakeClient();
    client.conn.waitingBytes = waiting;
    const { log, subscription } = record(writable$(client.socket, { bytes: 100 }));
    expect(client.listening).toBe(waiting === 0 ? 2 : 3);
    subscription.unsubscribe();
    expect(client.listening).toBe(0);
    client.conn.send(500);
    client.conn.drainTo(0);
    expect(log).toHaveLength(1);
  });

  it.each([0, 200])('can be unsubscribed by its first value (%i bytes wait)', (waiting) => {
    const client = new FakeClient();
    client.conn.waitingBytes = waiting;
    const { log } = record(writable$(client.socket, { bytes: 100 }).pipe(take(1)));
    expect(log).toEqual([waiting === 0, 'complete']);
    expect(client.listening).toBe(0);
  });

  it('is not told any more what was on its way when it was unsubscribed', () => {
    const client = new FakeClient();
    client.conn.waitingBytes = 200;
    const { log, subscription } = record(writable$(client.socket, { bytes: 100 }));
    // a session calls in the next tick those that it has taken off its list in this one
    const [called] = client.conn.watchers;
    subscription.unsubscribe();
    for (const waiting of [200, 0]) {
      client.conn.waitingBytes = waiting;
      called!();
      expect(log).toEqual([false]);
      expect(client.listening).toBe(0);
    }
  });

  it('keeps its state for each subscriber, also when one of them sends while it is told', () => {
    const client = new FakeClient();
    const options = { bytes: 100 };
    const first: boolean[] = [];
    client.conn.waitingBytes = 200;
    writable$(client.socket, options).subscribe((isWritable) => {
      first.push(isWritable);
      if (!isWritable || first.length > 3) return;
      client.conn.send(200);
      client.conn.send(200);
    });
    const second = record(writable$(client.socket, options));
    client.conn.drainTo(0);
    expect(first).toEqual([false, true, false]);
    // slow before it could be told otherwise
    expect(second.log).toEqual([false]);
    client.conn.drainTo(0);
    expect(first.slice(3)).toEqual([true]);
    expect(second.log).toEqual([false, true]);
  });

  it('puts one listener for packets on a session, however many clients and streams share it', () => {
    const client = new FakeClient();
    const warning = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const records = Array.from({ length: 30 }, () => record(writable$(client.socket)));
    expect(client.conn.listenerCount('packetCreate')).toBe(1);
    for (const { subscription } of records) subscription.unsubscribe();
    expect(client.listening).toBe(0);
    expect(warning).not.toHaveBeenCalled();
    warning.mockRestore();
  });

  it('is true, and stays so, on an engine that is not ours', () => {
    const client = new FakeClient();
    const conn = new EventEmitter();
    Object.defineProperty(client, 'conn', { value: conn });
    const { log } = record(writable$(client.socket, { bytes: 0 }));
    conn.emit('packetCreate', { type: 'message' });
    expect(log).toEqual([true]);
    client.disconnect();
    expect(log).toEqual([true, 'complete']);
  });
});

describe.each(READERS)('writable$ of a client by %s', (transport) => {
  let live: Live;

  beforeEach(async () => {
    live = await startLive();
  });

  afterEach(() => live.close());

  it('is false while the client does not read, and true when it does again', async () => {
    const reader = await connectReader(live, transport);
    const { client } = reader;
    const { log } = record(writable$(client));
    expect(log).toEqual([true]);

    reader.stopReading();
    let sent = 0;
    while (log.length === 1) {
      client.emit('frame', `${sent++} ${'x'.repeat(100 * KIB)}`);
      // some megabytes fit into the buffers of the kernel
      expect(sent).toBeLessThan(500);
      await turn();
    }
    expect(log).toEqual([true, false]);
    expect(waitingBytes(client)).toBeGreaterThan(256 * KIB);

    reader.startReading();
    // nothing else is sent meanwhile, and the next ping is far away
    await until(() => log.length === 3, 'it is writable');
    expect(waitingBytes(client)).toBeLessThanOrEqual(128 * KIB);
    await until(() => reader.received.length === sent, 'all has come');
    expect(reader.received.map((frame) => Number.parseInt(String(frame), 10))).toEqual([...Array(sent).keys()]);
    expect(log).toEqual([true, false, true]);
    reader.cut();
    client.disconnect(true);
    expect(log.at(-1)).toBe('complete');
    expect(client.conn.listenerCount('packetCreate')).toBe(0);
  });

  it('stays true for a client that reads, whatever it is sent', async () => {
    const reader = await connectReader(live, transport);
    const { log } = record(writable$(reader.client));
    for (let i = 1; i <= 30; i++) {
      reader.client.emit('frame', 'x'.repeat(100 * KIB));
      // a stream confirms every 64 KiB, a little later than it has them
      await until(() => reader.received.length === i && waitingBytes(reader.client) < 128 * KIB, 'it has come');
    }
    expect(log).toEqual([true]);
    reader.cut();
    reader.client.disconnect(true);
  });
});
