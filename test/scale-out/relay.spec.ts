import { describe, expect, it } from '@jest/globals';
import type { IncomingMessage } from 'node:http';
import { MemoryNodeRegistry } from '../../lib/scale-out/memory-registry.js';
import { SessionIds } from '../../lib/scale-out/session-ids.js';
import { until } from '../support/wire-engine.js';
import { ask, RawConnection, requestText, upgradeText } from '../support/wire-http.js';
import { post, SECRET, startNode, UNKNOWN, useNodes, usePairs, type TestNode } from './support.js';

/* Requests that are answered by another node than the one at which they arrive. */

const start = useNodes();
const pair = usePairs(start);

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
