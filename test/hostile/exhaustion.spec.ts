import { describe, expect, it } from '@jest/globals';
import { Agent, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { event, until, useEngines, type Harness, type SessionLike } from '../support/wire-engine.js';
import { ask, RawConnection, requestText } from '../support/wire-http.js';
import { rowOf, told, toldRaw, victim, type Victim } from '../support/wire-hostile.js';
import { rows, streamRows, type Row } from '../support/wire-rows.js';

/*
 * Clients that send or read as slowly as they like, or make the server keep what they have no intention to read. Each of
 * them is bounded in memory, in number and in time; docs/security.md says by what.
 */

const start = useEngines();
const polling = rowOf('polling/4');
const counted = streamRows.slice(0, 2);
const plain = streamRows.filter(({ name }) => name.endsWith('plain'));
const posting = rows.filter(({ answersPerExchange, name }) => answersPerExchange && !name.endsWith('b64'));

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** For cases that collect garbage: after many other specs, on a busy machine, each time takes seconds (ms). */
const SLOW = 90_000;

/** Bytes that are really held, after what can be freed was freed. */
function held(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** What is held more than before, and the least of it: what sockets held is freed some turns after they closed. */
async function heldMore(before: number, enough: number): Promise<number> {
  let more = held() - before;
  for (let i = 0; i < 10 && more > enough; i++) {
    await delay(50);
    more = held() - before;
  }
  return more;
}

function pathOf({ url }: Victim, query = ''): string {
  return new URL(url).pathname + new URL(url).search + query;
}

/** A request whose answer nobody reads, but for what `sip` takes. */
class Unreading {
  readonly socket: Socket;
  readonly closed: Promise<void>;

  constructor(target: Harness, request: string) {
    this.socket = connect(target.port, '127.0.0.1');
    this.socket.on('error', () => {}); // cut, which is what the tests wait for
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()));
    target.onTeardown(() => this.socket.destroy());
    this.socket.pause();
    this.socket.write(request);
  }

  /** Takes a little now and then. */
  async sip(): Promise<void> {
    while (!this.socket.destroyed) {
      this.socket.read(1_000);
      await delay(10);
    }
  }
}

function connections(target: Harness): Promise<number> {
  return new Promise((resolve) => target.server.getConnections((_error, count) => resolve(count)));
}

async function untilConnections(target: Harness, most: number): Promise<void> {
  while ((await connections(target)) > most) await delay(5);
}

/** A session without a client: nothing is sent for it but what a test sends. */
async function bare(
  target: Harness,
  { transport, protocol, name, getQuery }: Row,
): Promise<{ session: SessionLike; post: string }> {
  const isPlain = name.endsWith('plain') || transport === 'polling';
  const path = `/engine.io/?EIO=${protocol}&transport=${transport}`;
  const first = `${path}${isPlain ? '' : '&resume=1'}${getQuery('http://127.0.0.1')}`;
  const get = new RawConnection(target.port).write(requestText('GET', first));
  target.onTeardown(() => get.socket.destroy());
  const session = await target.sessions.next();
  return { session, post: `${path}&sid=${session.id}${isPlain ? '' : '&seq=1'}` };
}

describe.each(posting)('a POST over $name', (row) => {
  it(
    'in chunks of one byte costs no more memory than its bytes',
    async () => {
      const target = await start();
      const { post } = await bare(target, row);
      const connection = new RawConnection(target.port);
      target.onTeardown(() => connection.socket.destroy());
      const request = event(target.server, 'request') as Promise<[IncomingMessage]>;
      const before = held();
      connection.write(requestText('POST', post, { 'transfer-encoding': 'chunked' }));
      const [{ socket }] = await request;
      const count = 200_000;
      const chunks = '1\r\nx\r\n'.repeat(10_000);
      for (let i = 0; i < count; i += 10_000) connection.write(chunks);
      await until(() => socket.bytesRead >= count * 6);
      // 200 KB of body; a Buffer each would be 80 MB
      expect(held() - before).toBeLessThan(8_000_000);
    },
    SLOW,
  );

  it('that brings a byte now and then is ended by the heartbeat', async () => {
    const target = await start({ pingInterval: 100, pingTimeout: 100 });
    const { session, post } = await bare(target, row);
    const ended = new Promise((resolve) => session.once('close', resolve));
    const connection = new RawConnection(target.port);
    connection.write(requestText('POST', post, { 'content-length': '1000' }));
    const trickle = setInterval(() => connection.socket.writable && connection.write('4'), 20);
    target.onTeardown(() => clearInterval(trickle));
    expect(await ended).toBe('ping timeout');
    expect(toldRaw(await connection.ended)).toBe('connection cut');
    expect(target.engine.clientsCount).toBe(0);
  });
});

describe('a body that was refused', () => {
  const BODY = { 'content-length': '1000000000' };

  it.each<[string, (one: Victim) => Promise<string>, number]>([
    ['an unknown id', async ({ url, client }) => url.replace(client.sid, 'x'), 400],
    ['an unknown transport', async ({ url }) => url.replace('polling', 'x'), 400],
    ['another transport', async ({ url }) => url.replace('polling', 'websocket'), 400],
    ['another revision', async ({ url }) => url.replace('EIO=4', 'EIO=3'), 400],
    ['a handshake', async ({ target }) => `${target.url}?EIO=4&transport=polling`, 400],
    ['one too large', async ({ url }) => url, 413],
    ['a session over WebSocket', async ({ target }) => {
      const { sid } = await rowOf('websocket/4').open(target);
      return `${target.url}?EIO=4&transport=websocket&sid=${sid}`;
    }, 400], // prettier-ignore
  ])('for %s is not read to its end: the connection is closed', async (_what, urlOf, status) => {
    const one = await victim(start, polling);
    const url = new URL(await urlOf(one));
    const connection = new RawConnection(one.target.port);
    connection.write(requestText('POST', url.pathname + url.search, BODY, 'x'.repeat(1_000)));
    const text = await connection.ended;
    expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(text).toMatch(/\r\nConnection: close\r\n/i);
  });

  it.each(['PUT', 'PATCH', 'DELETE'])('by %s is not either, on any transport', async (method) => {
    for (const row of [polling, ...counted]) {
      const one = await victim(start, row);
      const connection = new RawConnection(one.target.port);
      connection.write(requestText(method, pathOf(one), BODY, 'x'.repeat(1_000)));
      expect(await connection.ended).toMatch(/^HTTP\/1\.1 405 [^]*\r\nConnection: close\r\n/);
      expect(one.session.readyState).toBe('open');
    }
  });

  it('is never taken for a request', async () => {
    const one = await victim(start, polling);
    const smuggled = requestText('GET', '/engine.io/?EIO=4&transport=polling').repeat(3);
    for (const path of [pathOf(one).replace(one.client.sid, 'x'), `${pathOf(one)}x`, '/engine.io/?EIO=4&transport=x']) {
      for (const headers of [{ 'content-length': '100000' }, BODY]) {
        const connection = new RawConnection(one.target.port);
        connection.write(requestText('POST', path, headers, smuggled));
        expect((await connection.ended).match(/HTTP\/1\.1 /g)).toHaveLength(1);
      }
    }
    expect(one.target.engine.clientsCount).toBe(1);
  });

  it('that came whole, or that there was not, leaves the connection to the next request', async () => {
    const target = await start();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    target.onTeardown(() => agent.destroy());
    let opened = 0;
    target.server.on('connection', () => opened++);
    for (const request of [{}, { method: 'POST', body: '4x' }, {}]) {
      const answer = await ask(`${target.url}?EIO=4&transport=polling&sid=x`, { ...request, agent });
      expect(told(answer)).toBe('400 Session ID unknown');
    }
    expect(told(await ask(`${target.url}?EIO=4&transport=polling`, { agent }))).toBe('handshake');
    expect(opened).toBe(1);
  });
});

describe.each(counted)('a POST over $name that was applied before', (row) => {
  it('is read to its end, and there is one of them at a time', async () => {
    const one = await victim(start, row);
    await one.client.send({ type: 'message', data: 'once' });
    const again: RawConnection[] = [];
    for (let i = 0; i < 20; i++) {
      const post = new RawConnection(one.target.port);
      again.push(post.write(requestText('POST', pathOf(one, '&seq=1'), { 'content-length': '6' }, '4')));
      one.target.onTeardown(() => post.socket.destroy());
    }
    // all but the newest are cut; which one that is, is for the server to say
    await until(() => again.filter(({ socket }) => !socket.destroyed).length === 1);
    const last = again.find(({ socket }) => !socket.destroyed)!;
    last.write('once!');
    await last.until(/ok$/);
    expect(one.received).toEqual(['once']);
    const large = new RawConnection(one.target.port);
    large.write(requestText('POST', pathOf(one, '&seq=1'), { 'content-length': '1000000000' }, '4'));
    expect(toldRaw(await large.ended)).toBe('413');
    expect(one.session.readyState).toBe('open');
  });
});

/** More than the kernel takes for a client that does not read; flat from the start, so that its use takes no more memory. */
const LARGE = Buffer.alloc(20_000_000, 'x').toString('latin1');

describe('an answer of long polling that its client does not read', () => {
  it(
    'is the only one: a GET before its end ends the session, and what was kept for it is free',
    async () => {
      for (const compresses of [false, true]) {
        const one = await victim(start, polling, { httpCompression: compresses && { threshold: 1, level: 0 } });
        const ended = new Promise((resolve) => one.session.once('close', (_reason, error) => resolve(String(error))));
        const headers: Record<string, string> = compresses ? { 'accept-encoding': 'gzip' } : {};
        const before = held();
        const first = new Unreading(one.target, requestText('GET', pathOf(one), headers));
        await until(() => one.session.transport.writable);
        one.session.send(LARGE);
        await until(() => !one.session.transport.writable);
        const second = told(await ask(one.url));
        expect(second).toBe('400');
        expect(await ended).toContain('overlap from client');
        first.socket.resume();
        await first.closed;
        await untilConnections(one.target, 0);
        expect(await heldMore(before, 5_000_000)).toBeLessThan(5_000_000);
      }
    },
    SLOW,
  );

  it('and that is cut ends the session: what was on its way is lost', async () => {
    const one = await victim(start, polling);
    const ended = new Promise((resolve) => one.session.once('close', (_reason, error) => resolve(String(error))));
    const get = new Unreading(one.target, requestText('GET', pathOf(one)));
    await until(() => one.session.transport.writable);
    one.session.send(LARGE);
    await until(() => !one.session.transport.writable);
    get.socket.resetAndDestroy();
    expect(await ended).toContain('poll response was cut');
  });

  it('counts as waiting for the client', async () => {
    const one = await victim(start, polling, { limits: { maxBufferedBytes: 1_000_000 } });
    const ended = new Promise((resolve) => one.session.once('close', (_reason, error) => resolve(String(error))));
    const get = new Unreading(one.target, requestText('GET', pathOf(one)));
    await until(() => one.session.transport.writable);
    one.session.send(LARGE);
    await until(() => !one.session.transport.writable);
    one.session.send('one more');
    expect(await ended).toContain('slow reader');
    get.socket.resume();
    await get.closed;
  });

  it.each([
    ['not at all', false],
    ['a little now and then', true],
  ])('but takes %s is cut after two heartbeats, with the session or without it', async (_how, sips) => {
    for (const endsFirst of [false, true]) {
      const one = await victim(start, polling, { pingInterval: 150, pingTimeout: 150 });
      const pongs = setInterval(() => void ask(one.url, { method: 'POST', body: '3' }).catch(() => {}), 50);
      one.target.onTeardown(() => clearInterval(pongs));
      const get = new Unreading(one.target, requestText('GET', pathOf(one)));
      await until(() => one.session.transport.writable);
      one.session.send(LARGE);
      await until(() => !one.session.transport.writable);
      if (endsFirst) one.session.close(true);
      if (sips) void get.sip();
      await until(() => one.target.engine.clientsCount === 0);
      clearInterval(pongs);
      await untilConnections(one.target, 0);
      get.socket.destroy();
    }
  });
});

describe.each([...counted, ...plain])('a response of $name', (row) => {
  it('that has ended and is read a little now and then is cut after two heartbeats', async () => {
    const target = await start({ pingInterval: 300, pingTimeout: 300 });
    const { get, session } = await unreading(target, row);
    session.send(LARGE);
    await until(() => !session.transport.writable);
    session.close(true);
    expect(target.engine.clientsCount).toBe(0);
    void get.sip();
    await untilConnections(target, 0);
    get.socket.destroy();
  });

  it(
    'that is not read holds one message and what limits allow, however long it is open',
    async () => {
      const target = await start({ limits: { maxBufferedBytes: 3_000_000 } });
      const { session } = await unreading(target, row);
      const before = held();
      let sent = 0;
      for (; session.readyState === 'open' && sent < 500; sent++) {
        session.send('y'.repeat(99_000) + sent);
        await new Promise(setImmediate);
      }
      expect(sent).toBeLessThan(200);
      await untilConnections(target, 0);
      expect(await heldMore(before, 3_000_000)).toBeLessThan(3_000_000);
    },
    SLOW,
  );
});

/** A stream of which nothing more is read once its session is there. */
async function unreading(target: Harness, row: Row): Promise<{ get: Unreading; session: SessionLike }> {
  const query = row.name.endsWith('plain') ? '' : '&resume=1';
  const get = new Unreading(
    target,
    requestText('GET', `/engine.io/?EIO=4&transport=${row.transport}${query}${row.getQuery('http://127.0.0.1')}`),
  );
  const session = await target.sessions.next();
  if (query === '') return { get, session };
  const url = `${target.url}?EIO=4&transport=${row.transport}&sid=${session.id}&seq=1`;
  expect(told(await ask(url, { method: 'POST', body: '' }))).toBe('200 ok');
  return { get, session };
}

describe.each(counted)('a client of $name', (row) => {
  it(
    'that confirms nothing makes the server keep no more than 4 MB, however small the frames are',
    async () => {
      const target = await start();
      const { get, session } = await unreading(target, row);
      get.socket.resume();
      const before = held();
      let sent = 0;
      for (; session.transport.writable && sent < 200_000; sent++) {
        session.send('');
        await new Promise(setImmediate);
      }
      expect(session.transport.writable).toBe(false);
      expect(sent).toBeGreaterThan(10_000);
      expect(held() - before).toBeLessThan(4_000_000);
    },
    SLOW,
  );

  it('that asks for response after response has one', async () => {
    const one = await victim(start, row);
    one.session.send('kept');
    const gets = Array.from({ length: 200 }, () => {
      const get = new RawConnection(one.target.port).write(requestText('GET', pathOf(one, '&ack=0')));
      one.target.onTeardown(() => get.socket.destroy());
      return get;
    });
    await Promise.all(gets.map((get) => get.until(/4kept/)));
    // the end of a chunked body: all others were ended in favour of the one that came after them
    await until(() => gets.filter(({ text }) => text.endsWith('\r\n0\r\n\r\n')).length === gets.length - 1);
    await one.client.send({ type: 'message', data: 'still here' });
    expect(one.received).toEqual(['still here']);
    expect(one.session.readyState).toBe('open');
  });
});

describe('an engine that closes', () => {
  it.each([polling, ...counted, ...plain])('waits for no client of $name that does not read', async (row) => {
    const target = await start();
    const isPolling = row === polling;
    const one = isPolling ? undefined : await unreading(target, row);
    let session = one?.session;
    let get = one?.get;
    if (isPolling) {
      const { sid } = await row.open(target, { paused: true });
      session = await target.sessions.next();
      get = new Unreading(target, requestText('GET', `/engine.io/?EIO=4&transport=polling&sid=${sid}`));
      await until(() => session!.transport.writable);
    }
    session!.send(LARGE);
    await until(() => !session!.transport.writable);
    target.engine.close();
    const closed = new Promise((resolve) => target.server.close(resolve));
    target.server.closeIdleConnections();
    await closed;
    get!.socket.destroy();
  });
});

describe('handshakes of long polling that nobody follows up', () => {
  it('end with the heartbeat', async () => {
    const target = await start({ pingInterval: 100, pingTimeout: 100 });
    await Promise.all(Array.from({ length: 100 }, () => ask(`${target.url}?EIO=4&transport=polling`)));
    expect(target.engine.clientsCount).toBeGreaterThan(0);
    await until(() => target.engine.clientsCount === 0);
  });
});
