import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { TestClient, type TestTransportName } from 'nestwire/testing';
import { startLive, until, type Live } from '../client/support.js';

let live: Live;

beforeEach(async () => {
  live = await startLive();
});

afterEach(() => live.close());

describe.each<TestTransportName>(['websocket', 'eventsource', 'multipart', 'polling'])(
  'TestClient by %s',
  (transport) => {
    it('connects, emits, requests, listens and leaves', async () => {
      const client = await TestClient.connect(live.url, { transport });
      expect(client.transport).toBe(transport);
      expect(live.io.sockets.sockets.has(client.id!)).toBe(true);
      expect(await client.emit('echo', 1, 'two').next('echo')).toEqual([1, 'two']);
      expect(await client.request('echo', { three: 3 })).toEqual({ three: 3 });
      await client.close();
      expect(await client.disconnected).toBe('io client disconnect');
      await until(() => live.engine.clientsCount === 0, 'the session ended');
    });

    it('takes events that came before anybody waited, in any order of names', async () => {
      live.io.on('connection', (socket) => {
        for (const n of [1, 2, 3]) socket.emit('a', n);
        socket.emit('b');
      });
      const client = await TestClient.connect(live.url, { transport });
      await until(() => client.received.length === 4, 'all came');
      expect(await client.next('b')).toEqual([]);
      expect(await client.take('a', 2)).toEqual([[1], [2]]);
      expect(await client.next()).toEqual([3]);
      expect(client.received).toEqual([]);
      await client.close();
    });

    it('is told why it was disconnected, and so is who waits', async () => {
      const client = await TestClient.connect(live.url, { transport });
      const waits = client.next('never');
      live.io.disconnectSockets(true);
      await expect(waits).rejects.toThrow('no event never: disconnected (io server disconnect); what came: nothing');
      expect(await client.disconnected).toBe('io server disconnect');
      await client.close();
    });
  },
);

describe('TestClient', () => {
  it('throws what the server refuses it with', async () => {
    live.io.of('/private').use((_socket, next) => next(Object.assign(new Error('no'), { data: { code: 7 } })));
    await expect(TestClient.connect(`${live.url}/private`)).rejects.toMatchObject({ message: 'no', data: { code: 7 } });
    await until(() => live.engine.clientsCount === 0, 'the session ended');
  });

  it('gives up after its time, and says what came', async () => {
    const client = await TestClient.connect(live.url, { timeout: 50 });
    client.emit('echo', 1);
    await expect(client.next('other')).rejects.toThrow('no event other within 50 ms; what came: echo');
    await expect(client.request('unknown')).rejects.toThrow('timed out');
    await client.close();
  });

  it('fails where nobody answers', async () => {
    await expect(TestClient.connect('http://127.0.0.1:1')).rejects.toThrow('websocket error');
  });
});
