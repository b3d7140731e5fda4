import { describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect, createServer as createTcpServer, type AddressInfo } from 'node:net';
import { Engine } from 'nestwire/engine';
import { MemoryNodeRegistry } from '../../lib/scale-out/memory-registry.js';
import { RelayNode } from '../../lib/scale-out/relay-node.js';
import { SessionIds } from '../../lib/scale-out/session-ids.js';
import { listening, stop, until } from '../support/wire-engine.js';
import { ask, headOf, RawConnection, requestText, upgradeText } from '../support/wire-http.js';
import { relayPortOf, SECRET, startNode, useNodes, usePairs, type TestNode } from './support.js';

const start = useNodes();
const pair = usePairs(start);

const UNKNOWN = { code: 1, message: 'Session ID unknown' };

const post = (url: string, body: string | Buffer, headers: Record<string, string> = {}) =>
  ask(url, { method: 'POST', body, headers: { 'content-type': 'text/plain;charset=UTF-8', ...headers } });

describe('a request that reaches another node than that of its session', () => {
  it('is answered by the owner', async () => {
    const { owner, other, session, url } = await pair();
    session.on('message', (data: string) => session.send(`${data}!`));
    expect((await post(url, '4hello')).text).toBe('ok');
    expect(await ask(url)).toMatchObject({ status: 200, text: '4hello!' });
    expect(other.engine.stats()).toMatchObject({
      sessions: 0,
      relay: { forwarded: 2, open: 0, failed: 0, received: 0, nodes: 2 },
    });
    expect(owner.engine.stats()).toMatchObject({ sessions: 1, relay: { forwarded: 0, received: 2, refused: 0 } });
  });

  it('waits with the owner until there is something to say', async () => {
    const { other, session, url } = await pair();
    const answer = ask(url);
    await until(() => session.transport.writable);
    expect(other.engine.stats().relay!.open).toBe(1);
    session.send('later');
    expect((await answer).text).toBe('4later');
  });

  it('gets the owner’s headers, and those of middlewares here', async () => {
    const { owner, other, url } = await pair({ engine: { cors: { origin: 'http://app.example', credentials: true } } });
    owner.engine.on('headers', (headers: Record<string, string>) => (headers['x-owner'] = 'yes'));
    other.engine.use((_request, response, next) => {
      response.setHeader('x-here', 'yes');
      next();
    });
    const { headers } = await post(url, '4x', { origin: 'http://app.example' });
    expect(headers).toMatchObject({
      'x-owner': 'yes',
      'x-here': 'yes',
      'access-control-allow-origin': 'http://app.example',
      'cache-control': 'no-store',
      'content-type': 'text/html',
    });
  });

  it('tells the owner whom it came from, after those that proxies name', async () => {
    const { owner, url } = await pair();
    const requests: IncomingMessage[] = [];
    owner.engine.on('headers', (_headers, request: IncomingMessage) => requests.push(request));
    await post(url, '4x');
    await post(url, '4x', { 'x-forwarded-for': '192.0.2.7' });
    expect(requests.map(({ headers }) => headers['x-forwarded-for'])).toEqual(['127.0.0.1', '192.0.2.7, 127.0.0.1']);
    expect(requests.map(({ headers }) => headers['nestwire-relay'])).toEqual([undefined, undefined]);
  });

  it('passes the middlewares here, and not those of the owner', async () => {
    const { owner, other, url } = await pair();
    const passed: string[] = [];
    owner.engine.use((_request, _response, next) => next(new Error('not here')));
    other.engine.use((_request, _response, next) => {
      passed.push('here');
      next();
    });
    expect((await post(url, '4x')).status).toBe(200);
    expect(passed).toEqual(['here']);
  });

  it('is refused here by a middleware, and the owner does not hear of it', async () => {
    const { owner, other, url } = await pair();
    other.engine.use((_request, response) => response.writeHead(401).end());
    expect((await post(url, '4x')).status).toBe(401);
    expect(owner.engine.stats().relay!.received).toBe(0);
  });

  it.each([
    ['a body that is too large', 413, { body: 'x'.repeat(101) }, {}],
    ['headers that are too large', 431, { headers: { 'x-large': 'x'.repeat(9_000) } }, {}],
    ['an unknown transport', 400, {}, { transport: 'smoke' }],
    ['a GET with a body', 400, { method: 'GET', body: 'x' }, {}],
  ])('is refused here for %s, and the owner does not hear of it', async (_what, status, asked, query) => {
    const limits = { maxHeaderBytes: 8_000 };
    const { owner, url } = await pair({ engine: { maxHttpBufferSize: 100, limits } });
    const target = new URL(url);
    for (const [name, value] of Object.entries(query)) target.searchParams.set(name, value as string);
    expect((await ask(target.href, { method: 'POST', ...asked })).status).toBe(status);
    expect(owner.engine.stats()).toMatchObject({ sessions: 1, relay: { received: 0 } });
  });

  it('is refused by the owner when a body of unknown length gets too large', async () => {
    const { owner, url } = await pair({ engine: { maxHttpBufferSize: 100 } });
    const { pathname, search, port } = new URL(url);
    const connection = new RawConnection(Number(port));
    const chunk = 'x'.repeat(0xff);
    const text = requestText('POST', pathname + search, { 'transfer-encoding': 'chunked' });
    connection.write(`${text}ff\r\n${chunk}\r\n`);
    expect(await connection.until(/HTTP\/1.1 \d+/)).toMatch(/^HTTP\/1.1 413 /);
    expect(owner.engine.clientsCount).toBe(1);
    connection.socket.destroy();
  });

  it.each(['PUT', 'DELETE'])('is refused by the owner for the method %s', async (method) => {
    const { url } = await pair();
    expect((await ask(url, { method })).status).toBe(405);
  });

  it('is refused by the owner as directly: another transport, another revision', async () => {
    const { url } = await pair({ engine: { allowEIO3: true } });
    expect(JSON.parse((await ask(url.replace('EIO=4', 'EIO=3'))).text)).toMatchObject({ code: 3 });
    const upgrade = upgradeText(new URL(url).pathname + new URL(url).search);
    const connection = new RawConnection(Number(new URL(url).port));
    connection.write(upgrade);
    expect(await connection.ended).toMatch(/^HTTP\/1.1 400 .*Bad request/s);
  });

  it('carries any body: bytes, none, one that comes in pieces', async () => {
    const { session, url } = await pair();
    const received: unknown[] = [];
    session.on('message', (data) => received.push(data));
    await post(url, Buffer.from('4čaj €\x1ebAQID'));
    const { pathname, search, port } = new URL(url);
    const connection = new RawConnection(Number(port));
    connection.write(requestText('POST', pathname + search, { 'content-length': '3' }));
    connection.write('4');
    await until(() => (session.transport as unknown as { upstream: { busy: boolean } }).upstream.busy);
    connection.write('ab');
    await connection.until(/ok$/);
    connection.socket.destroy();
    expect(received).toEqual(['čaj €', Buffer.from([1, 2, 3]), 'ab']);
  });
});

describe('the Origin of a request', () => {
  const foreign = { origin: 'http://evil.example', cookie: 'session=1' };

  it('is judged here: the owner takes the word of its fellow node', async () => {
    const { url } = await pair({ engine: { origins: ['http://app.example'] } });
    expect((await post(url, '4x', { origin: 'http://app.example' })).status).toBe(200);
    expect((await post(url, '4x', foreign)).status).toBe(403);
  });

  it('that opened the session is let in by the owner, who alone can know', async () => {
    const origins = (origin: string) => origin === 'http://app.example' && isOpen;
    let isOpen = true;
    const [owner, other] = [await start({ engine: { origins } }), await start({ engine: { origins } })];
    const headers = { origin: 'http://app.example' };
    const { text } = await ask(`${owner.url}?EIO=4&transport=polling`, { headers });
    isOpen = false;
    const { sid } = JSON.parse(text.slice(1)) as { sid: string };
    const url = `${other.url}?EIO=4&transport=polling&sid=${sid}`;
    expect((await post(url, '4x', headers)).status).toBe(200);
    expect((await post(url, '4x', foreign)).status).toBe(403);
    expect(owner.engine.clientsCount).toBe(1);
  });
});

describe('a session id that no node answers for', () => {
  const asks = async (node: TestNode, sid: string) => ask(`${node.url}?EIO=4&transport=polling&sid=${sid}`);

  it('is unknown at once when it is forged, and costs the other nodes nothing', async () => {
    const { owner, other, sid } = await pair();
    const forged = `${sid.slice(0, -1)}${sid.endsWith('A') ? 'B' : 'A'}`;
    const answer = await asks(other, forged);
    expect(JSON.parse(answer.text)).toEqual(UNKNOWN);
    expect(answer.status).toBe(400);
    expect(other.engine.stats().relay).toMatchObject({ forwarded: 0 });
    expect(owner.engine.stats().relay).toMatchObject({ received: 0, refused: 0 });
  });

  it('is unknown when its node is not there', async () => {
    const { other } = await pair();
    const dead = new SessionIds('deadnode', SECRET).make('x');
    expect(JSON.parse((await asks(other, dead)).text)).toEqual(UNKNOWN);
  });

  it('is unknown when the node knows no such session, at the node and elsewhere', async () => {
    const { owner, other, sid, session } = await pair();
    session.close(true);
    expect(JSON.parse((await asks(other, sid)).text)).toEqual(UNKNOWN);
    expect(JSON.parse((await asks(owner, sid)).text)).toEqual(UNKNOWN);
  });

  it('is unknown when an upgrade names it', async () => {
    const { other } = await pair();
    const connection = new RawConnection(other.port);
    connection.write(upgradeText('/engine.io/?EIO=4&transport=websocket&sid=nonsense'));
    expect(await connection.ended).toMatch(/^HTTP\/1.1 400 .*Session ID unknown$/s);
  });

  it('belongs to an engine of the same name only', async () => {
    const { owner, sid } = await pair();
    const registry = (owner.relay as unknown as { options: { registry: MemoryNodeRegistry } }).options.registry;
    const stranger = await startNode({ registry });
    stranger.engine.relay = stranger.relay.relayFor('another server', stranger.engine);
    expect(JSON.parse((await asks(stranger, sid)).text)).toEqual(UNKNOWN);
    expect(owner.engine.stats().relay).toMatchObject({ received: 0, refused: 1 });
    await stranger.close();
  });
});

describe('a stream by another node', () => {
  it.each(['eventsource', 'multipart'])(
    'of %s begins at once, goes on, and ends with either side',
    async (transport) => {
      const transports = ['polling', 'eventsource', 'multipart'] as const;
      const { session, url } = await pair({ engine: { transports: [...transports] } }, transport, '&resume=1');
      const abort = new AbortController();
      const opened = new Promise<IncomingMessage>((resolve, reject) => {
        httpRequest(`${url}&resume=1`, { signal: abort.signal, agent: false })
          .on('response', resolve)
          .on('error', reject)
          .end();
      });
      const response = await opened;
      expect(response.headers['x-accel-buffering']).toBe('no');
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('error', () => {});
      await until(() => text !== '');
      const upgrading = session.upgrade!;
      expect(upgrading.candidate.name).toBe(transport);
      abort.abort();
      // the candidate hears of it
      await until(() => (upgrading.candidate as unknown as { response: unknown }).response === null);
    },
  );

  it('is answered as any GET to the owner: with the head that streaming has', async () => {
    const { url } = await pair({}, 'eventsource', '&resume=1');
    expect((await headOf(`${url}&resume=1`)).headers).toMatchObject({
      'content-type': 'text/event-stream; charset=UTF-8',
    });
  });
});

describe('a WebSocket by another node', () => {
  const upgradeOf = (target: string) => upgradeText(new URL(target).pathname + new URL(target).search);

  it('passes bytes on both ways, and the headers that middlewares set here', async () => {
    const { other, session, url } = await pair({}, 'websocket');
    other.engine.use((_request, response, next) => {
      response.setHeader('x-here', 'yes');
      next();
    });
    const connection = new RawConnection(other.port);
    // the probe comes with the request, as an eager client may send it; masked with zeros (RFC 6455, section 5.3)
    const probe = Buffer.from([0x81, 0x86, 0, 0, 0, 0, ...Buffer.from('2probe')]);
    connection.write(Buffer.concat([Buffer.from(upgradeOf(url)), probe]));
    const text = await connection.until(/3probe$/);
    expect(text).toMatch(
      /^HTTP\/1.1 101 Switching Protocols\r\n.*Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=.*x-here: yes\r\n\r\n/s,
    );
    connection.write(Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x35]));
    await once(session, 'upgrade');
    session.send('hello');
    await connection.until(/4hello$/);
    expect(other.engine.stats().relay).toMatchObject({ open: 1 });
    const closed = once(session, 'close');
    connection.socket.end();
    expect((await closed)[0]).toBe('transport close');
    await connection.ended;
    await until(() => other.engine.stats().relay!.open === 0);
    expect(other.engine.stats().relay!.failed).toBe(0);
  });

  it('that is cut is cut at the owner', async () => {
    const { other, session, url } = await pair({}, 'websocket');
    const connection = new RawConnection(other.port);
    connection.write(upgradeOf(url));
    await connection.until(/\r\n\r\n$/);
    await until(() => session.upgrading);
    connection.reset();
    await until(() => !session.upgrading);
  });

  it('whose request the owner refuses is told why', async () => {
    const { other, session, url } = await pair({ engine: { transports: ['polling', 'websocket'] } }, 'websocket');
    const target = new URL(url);
    const connection = new RawConnection(other.port);
    connection.write(upgradeText(`${target.pathname}${target.search}`, { 'sec-websocket-version': '7' }));
    expect(await connection.ended).toMatch(/^HTTP\/1.1 4\d\d /);
    expect(session.readyState).toBe('open');
  });

  it('does not outrun its reader: the owner feels the pressure', async () => {
    const { other, session, url } = await pair({}, 'websocket');
    const socket = connect(other.port, '127.0.0.1');
    const probe = Buffer.from([0x81, 0x86, 0, 0, 0, 0, ...Buffer.from('2probe')]);
    const upgrade = Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x35]);
    socket.write(Buffer.concat([Buffer.from(upgradeOf(url)), probe]));
    await once(socket, 'data');
    socket.write(upgrade);
    await once(session, 'upgrade');
    socket.pause();
    const large = 'x'.repeat(1_000_000);
    for (let i = 0; i < 40; i++) session.send(large);
    // were the other node to take all that comes, nothing would wait here
    await until(() => session.waitingBytes > 20_000_000);
    let before = Infinity;
    while (session.waitingBytes < before) {
      before = session.waitingBytes;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(session.waitingBytes).toBeGreaterThan(20_000_000);
    socket.destroy();
    await once(session, 'close');
  });
});

describe('when a node goes away', () => {
  it('what waits for it here is told so at once', async () => {
    const { owner, other, session, url } = await pair();
    const answer = ask(url);
    await until(() => session.transport.writable);
    // as when it is killed: connections end, nothing is said
    await (owner.relay as unknown as { port: { close(): Promise<void> } }).port.close();
    expect(await answer).toMatchObject({ status: 400, text: JSON.stringify(UNKNOWN) });
    expect(other.engine.stats().relay).toMatchObject({ failed: 1, open: 0 });
  });

  it('a stream of it here is cut, not ended', async () => {
    const { owner, url } = await pair({}, 'eventsource', '&resume=1');
    const connection = new RawConnection(Number(new URL(url).port));
    connection.write(requestText('GET', `${new URL(url).pathname}${new URL(url).search}&resume=1`));
    await connection.until(/\n\n/);
    await (owner.relay as unknown as { port: { close(): Promise<void> } }).port.close();
    // the last chunk of a body that ended has length 0
    expect(await connection.ended).not.toMatch(/\r\n0\r\n\r\n$/);
  });

  it('whose lease ran out and who is silent, what waits for it ends', async () => {
    const registry = new MemoryNodeRegistry();
    const { session, url, owner, other } = await pair({ registry, lease: 300, renewEvery: 50 });
    const answer = ask(url);
    await until(() => session.transport.writable);
    // it hangs: its connections stay open, and it renews nothing
    clearInterval((owner.relay as unknown as { table: { timer: NodeJS.Timeout } }).table.timer);
    expect(JSON.parse((await answer).text)).toEqual(UNKNOWN);
    await until(() => other.engine.stats().relay!.nodes === 1);
  });

  it('in an orderly way, its requests are unknown elsewhere', async () => {
    const { owner, other, url } = await pair();
    await owner.close();
    expect(JSON.parse((await ask(url)).text)).toEqual(UNKNOWN);
    await until(() => other.engine.stats().relay!.nodes === 1);
  });

  it('through which a poll came, the session waits for the poll to come again', async () => {
    const { owner, other, session, sid } = await pair();
    const third = await start();
    const target = (node: TestNode) => `${node.url}?EIO=4&transport=polling&sid=${sid}&t=abc`;
    const lost = ask(target(other)).catch(() => 'lost');
    await until(() => session.transport.writable);
    other.server.closeAllConnections();
    await until(() => !session.transport.writable);
    expect(await lost).toBe('lost');
    session.send('hello');
    expect((await ask(target(third))).text).toBe('4hello');
    // and the answer is not lost if that node, too, goes away before it has passed it on
    expect((await ask(target(owner))).text).toBe('4hello');
  });
});

describe('a node that closes', () => {
  it.each(['polling', 'eventsource', 'websocket'])(
    'cuts what of %s goes through it, without a word',
    async (transport) => {
      const { other, session, url } = await pair({}, transport, '&resume=1');
      const target = new URL(`${url}&resume=1`);
      const connection = new RawConnection(other.port);
      const text = transport === 'websocket' ? upgradeText : requestText.bind(null, 'GET');
      connection.write(text(target.pathname + target.search));
      await until(() => session.transport.writable || session.upgrading);
      other.engine.close();
      expect(await connection.ended).not.toMatch(/Session ID unknown|\r\n0\r\n\r\n$/);
      expect(other.engine.stats().relay).toMatchObject({ open: 0, failed: 0 });
      expect(session.readyState).toBe('open');
      // nothing holds its HTTP server open
      await new Promise((resolve) => other.server.close(resolve));
    },
  );
});

describe('the relay port', () => {
  it('takes nothing that is not signed', async () => {
    const { owner, sid } = await pair();
    const url = `http://127.0.0.1:${relayPortOf(owner)}/engine.io/?EIO=4&transport=polling&sid=${sid}`;
    for (const headers of [{}, { 'nestwire-relay': 'a 1 allowed main 127.0.0.1 mac' }]) {
      expect(await post(url, '4x', headers as Record<string, string>)).toMatchObject({ status: 403, text: '' });
    }
    expect(owner.engine.stats().relay).toMatchObject({ received: 0, refused: 2 });
    expect(owner.lines).toHaveLength(1);
    expect(owner.lines[0]).toMatch('127.0.0.1');
  });

  it('takes no upgrade that is not signed', async () => {
    const { owner, sid } = await pair();
    const connection = new RawConnection(relayPortOf(owner));
    connection.write(upgradeText(`/engine.io/?EIO=4&transport=websocket&sid=${sid}`));
    expect(await connection.ended).toMatch(/^HTTP\/1.1 403 /);
  });

  it('takes nothing twice: what was seen on the wire is worth nothing', async () => {
    const { owner, other, session, sid } = await pair();
    const received: unknown[] = [];
    session.on('message', (data) => received.push(data));
    const port = relayPortOf(owner);
    // somebody between the nodes who keeps what passes
    const seen: Buffer[] = [];
    const tap = createTcpServer((socket) => {
      const onward = connect(port, '127.0.0.1');
      socket.on('data', (chunk: Buffer) => seen.push(chunk));
      socket.pipe(onward).pipe(socket);
      socket.on('error', () => onward.destroy());
      onward.on('error', () => socket.destroy());
    });
    await new Promise<void>((resolve) => tap.listen(0, '127.0.0.1', resolve));
    const { registry } = (owner.relay as unknown as { options: { registry: MemoryNodeRegistry } }).options;
    await registry.renew({ id: owner.relay.id, address: `127.0.0.1:${(tap.address() as AddressInfo).port}` }, 60_000);
    const table = (other.relay as unknown as { table: { ask(): Promise<void> } }).table;
    await table.ask();
    await post(`${other.url}?EIO=4&transport=polling&sid=${sid}`, '4once');
    expect(Buffer.concat(seen).toString()).toMatch('nestwire-relay');
    const replay = new RawConnection(port);
    replay.write(Buffer.concat(seen));
    expect(await replay.ended).toMatch(/^HTTP\/1.1 403 /);
    expect(received).toEqual(['once']);
    tap.close();
  });

  it('is told by a client’s own header nothing', async () => {
    const { owner, session, url } = await pair();
    session.on('message', () => {});
    expect((await post(url, '4x', { 'nestwire-relay': 'made up' })).status).toBe(200);
    expect(owner.engine.stats().relay).toMatchObject({ received: 1, refused: 0 });
  });

  it('of a node with another secret refuses, and both logs tell', async () => {
    const registry = new MemoryNodeRegistry();
    const [one, other] = [await start({ registry }), await start({ registry, secret: `another ${SECRET}` })];
    const { text } = await ask(`${one.url}?EIO=4&transport=polling`);
    const { sid } = JSON.parse(text.slice(1)) as { sid: string };
    // it cannot even read the id
    expect(JSON.parse((await ask(`${other.url}?EIO=4&transport=polling&sid=${sid}`)).text)).toEqual(UNKNOWN);
    expect(one.engine.stats().relay!.refused).toBe(0);
  });

  it('has no handshake', async () => {
    const { owner, other } = await pair();
    // signed, as only a node can, but without a session
    const server = createServer((request, response) => {
      const remote = (other.relay as unknown as { ownerOf(server: string, sid: string): never }).ownerOf(
        'main',
        new SessionIds(owner.relay.id, SECRET).make('x'),
      ) as { forward(...args: unknown[]): void };
      remote.forward(request, response, { address: '127.0.0.1', isOriginAllowed: true });
    });
    const port = await listening(server);
    const answer = await ask(`http://127.0.0.1:${port}/engine.io/?EIO=4&transport=polling`);
    expect(JSON.parse(answer.text)).toMatchObject({ code: 3 });
    expect(owner.engine.clientsCount).toBe(1);
    await stop(server);
  });
});

describe('a node that is not ready', () => {
  it('lets nobody in before others can find it', async () => {
    let tell: (secret: string) => void = () => {};
    const secret = new Promise<string>((resolve) => (tell = resolve));
    const starting = start({ secret });
    tell(SECRET);
    const node = await starting;
    const { text } = await ask(`${node.url}?EIO=4&transport=polling`);
    expect(text).toMatch(new RegExp(`"sid":"${node.relay.id}`));
  });

  it('answers 503 when it cannot become ready', async () => {
    const server = createServer();
    const registry = new MemoryNodeRegistry();
    const starting = startNode({ registry, secret: Promise.reject(new Error('no secret')), attached: { server } });
    await expect(starting).rejects.toThrow('no secret');
    const engine = new Engine();
    engine.relay = {
      sessionId: () => starting.then(() => ''),
      ownerOf: () => undefined,
      close() {},
      stats: () => ({}) as never,
    };
    engine.attach(server);
    const port = await listening(server);
    const answer = await ask(`http://127.0.0.1:${port}/engine.io/?EIO=4&transport=polling`);
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    engine.close();
    await stop(server);
  });

  it('fails to start without a registry', async () => {
    const registry = new MemoryNodeRegistry();
    registry.renew = () => Promise.reject(new Error('no registry'));
    await expect(start({ registry })).rejects.toThrow('no registry');
  });

  it('lets clients in all the same when it may, and they are at home here only', async () => {
    let tell: (secret: string) => void = () => {};
    const secret = new Promise<string>((resolve) => (tell = resolve));
    const registry = new MemoryNodeRegistry();
    const other = await start({ registry });
    const node = await start({ registry, secret, mayDegrade: true });
    const open = async () => {
      const { text } = await ask(`${node.url}?EIO=4&transport=polling`);
      return (JSON.parse(text.slice(1)) as { sid: string }).sid;
    };
    const early = await open();
    const query = (sid: string) => `?EIO=4&transport=polling&sid=${sid}`;
    expect((await post(node.url + query(early), '4x')).status).toBe(200);
    expect(JSON.parse((await post(other.url + query(early), '4x')).text)).toEqual(UNKNOWN);
    tell(SECRET);
    await until(() => node.relay.stats().nodes === 2);
    const later = await open();
    expect((await post(other.url + query(later), '4x')).status).toBe(200);
    // those that came before stay
    expect((await post(node.url + query(early), '4x')).status).toBe(200);
  });

  it('closes before it has started', async () => {
    const relay = new RelayNode({ registry: new MemoryNodeRegistry(), secret: new Promise(() => {}), log() {} });
    await relay.close();
    expect(relay.stats()).toMatchObject({ nodes: 0, isRegistryReachable: false });
  });
});
