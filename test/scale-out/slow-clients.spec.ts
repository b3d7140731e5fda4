import { describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Session } from 'nestwire/engine';
import { until } from '../support/wire-engine.js';
import { ask, RawConnection, requestText, upgradeText } from '../support/wire-http.js';
import { relayPortOf, relayServerOf, targetOf, useNodes, usePairs, type TestNode } from './support.js';

const start = useNodes();
const pair = usePairs(start);

/** More than all buffers of two connections on loopback take. */
const LARGE = 'x'.repeat(1_000_000);
const TIMES = 40;

/** Milliseconds, in the place of a minute. */
const STALL_TIME = 300;

const connectionsTo = (node: TestNode): Promise<number> =>
  new Promise((resolve) => relayServerOf(node).getConnections((_error, count) => resolve(count)));

const openAt = ({ engine }: TestNode): number => engine.stats().relay!.open;

/** Moves a session to a WebSocket that goes through the other node, and stops reading it. */
async function silentWebSocket(other: TestNode, session: Session, url: string): Promise<Socket> {
  const socket = connect(other.port, '127.0.0.1');
  socket.on('error', () => {});
  const probe = Buffer.from([0x81, 0x86, 0, 0, 0, 0, ...Buffer.from('2probe')]);
  socket.write(Buffer.concat([Buffer.from(upgradeText(targetOf(url))), probe]));
  await once(socket, 'data');
  socket.write(Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x35]));
  await once(session, 'upgrade');
  socket.pause();
  return socket;
}

describe('a client that does not read what comes by another node', () => {
  it('of a WebSocket is cut when its session has ended', async () => {
    const { other, session, url } = await pair({ stallTime: STALL_TIME }, 'websocket');
    const socket = await silentWebSocket(other, session, url);
    for (let i = 0; i < TIMES; i++) session.send(LARGE);
    await until(() => session.waitingBytes > (TIMES / 2) * LARGE.length);
    session.close(true);
    (session.transport as unknown as { abort?(): void }).abort?.();
    await until(() => openAt(other) === 0);
    socket.destroy();
  });

  it('of a WebSocket is not cut while nothing waits for it', async () => {
    const { other, session, url } = await pair({ stallTime: STALL_TIME }, 'websocket');
    const socket = await silentWebSocket(other, session, url);
    // what is to be shown is that a time passes in which nothing happens
    await new Promise((resolve) => setTimeout(resolve, 2 * STALL_TIME));
    expect(openAt(other)).toBe(1);
    expect(session.readyState).toBe('open');
    socket.destroy();
  });

  it('of a poll is cut, and takes no memory here', async () => {
    const options = { stallTime: STALL_TIME, engine: { limits: { maxBufferedBytes: Infinity } } };
    const { other, session, url } = await pair(options);
    for (let i = 0; i < TIMES; i++) session.send(LARGE);
    const socket = connect(other.port, '127.0.0.1');
    socket.on('error', () => {});
    const accepted = once(other.server, 'connection') as Promise<[Socket]>;
    socket.write(requestText('GET', targetOf(url)));
    const [inner] = await accepted;
    await once(socket, 'data');
    socket.pause();
    await until(() => inner.writableLength > 0);
    expect(inner.writableLength).toBeLessThan(1_000_000);
    await until(() => openAt(other) === 0 && inner.destroyed);
    socket.destroy();
  });

  it('of a poll that waits longer than that is not cut', async () => {
    const { session, url } = await pair({ stallTime: STALL_TIME });
    const answer = ask(url);
    await until(() => session.transport.writable);
    await new Promise((resolve) => setTimeout(resolve, 2 * STALL_TIME));
    session.send('late');
    expect((await answer).text).toBe('4late');
  });

  it('of a stream, the owner keeps what waits, up to its limit', async () => {
    const limits = { maxBufferedBytes: 10_000_000 };
    const engine = { transports: ['polling', 'eventsource'] as const, limits };
    const options = { stallTime: STALL_TIME, engine: { ...engine, transports: [...engine.transports] } };
    const [owner, other] = [await start(options), await start(options)];
    const opened = once(owner.engine, 'connection') as Promise<[Session]>;
    const first = new RawConnection(owner.port);
    first.write(requestText('GET', '/engine.io/?EIO=4&transport=eventsource&resume=1'));
    const [session] = await opened;
    const url = `${other.url}?EIO=4&transport=eventsource&resume=1&sid=${session.id}&ack=1`;
    const socket = connect(other.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(requestText('GET', targetOf(url)));
    await once(socket, 'data');
    socket.pause();
    const closed = once(session, 'close');
    for (let i = 0; i < TIMES && session.readyState === 'open'; i++) session.send(LARGE);
    expect((await closed)[0]).toBe('transport error');
    await until(() => openAt(other) === 0);
    socket.destroy();
    first.socket.destroy();
  });
});

describe('a client that leaves', () => {
  it('with a poll behind another one on its connection leaves nothing behind', async () => {
    const { other, session, url } = await pair();
    const opened = once(other.engine, 'connection') as Promise<[Session]>;
    const { text } = await ask(`${other.url}?EIO=4&transport=polling`);
    const { sid } = JSON.parse(text.slice(1)) as { sid: string };
    const [own] = await opened;
    const connection = new RawConnection(other.port);
    connection.write(requestText('GET', `/engine.io/?EIO=4&transport=polling&sid=${sid}`));
    connection.write(requestText('GET', targetOf(url)));
    await until(() => own.transport.writable && session.transport.writable);
    connection.reset();
    await until(() => openAt(other) === 0);
    await until(() => !session.transport.writable);
  });

  it('before the owner has answered is not missed by it: an answer that comes late is dropped', async () => {
    const { owner, other, session, url } = await pair();
    const connection = new RawConnection(other.port);
    connection.write(requestText('GET', targetOf(url)));
    await until(() => session.transport.writable);
    connection.reset();
    session.send('late');
    await until(() => openAt(other) === 0);
    // the connection between the nodes is not used again, or is whole
    expect((await ask(url, { method: 'POST', body: '4x' })).status).toBe(200);
    expect(owner.engine.stats().relay!.refused).toBe(0);
  });

  it('may go on sending to an owner that does not read, until that is gone, and fills nobody’s memory', async () => {
    const { owner, other, url } = await pair({ engine: { maxHttpBufferSize: 2 * TIMES * LARGE.length } });
    // the owner takes the request, and then nothing
    owner.engine.handleRelayed = () => {};
    const connection = new RawConnection(other.port);
    const accepted = once(other.server, 'connection') as Promise<[Socket]>;
    connection.write(requestText('POST', targetOf(url), { 'content-length': String(TIMES * LARGE.length) }));
    const [inner] = await accepted;
    for (let i = 0; i < TIMES; i++) connection.write(LARGE);
    await until(() => inner.bytesRead > LARGE.length);
    let before = -1;
    while (inner.bytesRead > before) {
      before = inner.bytesRead;
      // until nothing moves any more
      // oxlint-disable-next-line no-await-in-loop
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(inner.bytesRead).toBeLessThan((TIMES / 2) * LARGE.length);
    (other.relay as unknown as { gone(id: string): void }).gone(owner.relay.id);
    expect(await connection.ended).toMatch(/^HTTP\/1.1 400 /);
    expect(openAt(other)).toBe(0);
  });
});

describe('the relay port', () => {
  it('lets nobody hold a connection without a request', async () => {
    const node = await start();
    const [silent, slow] = [new RawConnection(relayPortOf(node)), new RawConnection(relayPortOf(node))];
    slow.write('GET / HTTP/1.1\r\nhost: x\r\n');
    const drip = setInterval(() => slow.write('a: b\r\n'), 500);
    await Promise.all([silent.ended, slow.ended]);
    clearInterval(drip);
    expect(await connectionsTo(node)).toBe(0);
  }, 15_000);

  it('is closed at once, WebSockets on it as well', async () => {
    const { owner, other, session, url } = await pair({}, 'websocket');
    const socket = await silentWebSocket(other, session, url);
    await owner.relay.close();
    await until(() => openAt(other) === 0);
    socket.destroy();
  });

  it('keeps no connection of a node that is gone', async () => {
    const { owner, other, url } = await pair();
    await ask(url, { method: 'POST', body: '4x' });
    expect(await connectionsTo(owner)).toBe(1);
    (other.relay as unknown as { gone(id: string): void }).gone(owner.relay.id);
    while ((await connectionsTo(owner)) > 0) await new Promise(setImmediate);
  });
});
