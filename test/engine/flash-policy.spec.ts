import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Engine, type EngineOptions } from 'nestwire/engine';
import { FlashPolicy } from '../../lib/engine/flash-policy.js';
import { ask, RawConnection, requestText } from '../support/wire-http.js';
import { listening, stop } from '../support/wire-engine.js';
import { inPieces } from '../support/wire-hostile.js';
import { WsClient } from '../support/wire-websocket.js';

const REQUEST = '<policy-file-request/>\0';
const FLASH = { transports: ['polling', 'websocket', 'flashsocket'] } as const;

const teardown: (() => unknown)[] = [];

afterEach(async () => {
  for (const undo of teardown.splice(0).toReversed()) await undo();
});

async function start(options: EngineOptions = FLASH, server: Server = createServer()) {
  const engine = new Engine(options).attach(server);
  const port = server.listening ? (server.address() as AddressInfo).port : await listening(server);
  teardown.push(async () => {
    engine.close();
    await stop(server);
  });
  return { engine, server, port };
}

const file = (port: number, domain = '127.0.0.1'): string =>
  `<?xml version="1.0"?><cross-domain-policy><allow-access-from domain="${domain}" to-ports="${port}"/></cross-domain-policy>\0`;

describe('a request for a policy file', () => {
  it.each([
    ['whole', [REQUEST]],
    ['byte by byte', [...REQUEST]],
    ['without its first byte at first', [REQUEST[0]!, REQUEST.slice(1)]],
    ['without its last byte at first', [REQUEST.slice(0, -1), '\0']],
  ])('that comes %s is answered, and the connection ended', async (_how, pieces) => {
    const target = await start();
    expect(await inPieces(target, pieces)).toBe(file(target.port));
  });

  it('of a client that has ended its side is answered', async () => {
    const { port } = await start();
    const connection = new RawConnection(port);
    connection.socket.end(REQUEST);
    expect(await connection.ended).toBe(file(port));
  });

  it('that never comes whole is cut after two seconds', async () => {
    const { port } = await start();
    const begun = performance.now();
    expect(await new RawConnection(port).write('<policy-file-requ').ended).toBe('');
    expect(performance.now() - begun).toBeGreaterThan(1_900);
  });

  it('that ends in the middle is cut', async () => {
    const { port } = await start();
    const connection = new RawConnection(port);
    connection.socket.end('<policy');
    expect(await connection.ended).toBe('');
  });

  it('whose client does not read is ended all the same', async () => {
    const { port, server } = await start();
    const accepted = once(server, 'connection');
    const connection = new RawConnection(port);
    connection.socket.pause();
    connection.write(REQUEST);
    const [socket] = (await accepted) as [Socket];
    await once(socket, 'close');
    connection.socket.destroy();
  });

  it.each([
    ['the beginning, and then something else', ['<policy-file', 'GET / HTTP/1.1\r\n\r\n'], ''],
    ['the request in pieces, and more', [REQUEST.slice(0, 5), `${REQUEST.slice(5)}x`], ''],
    ['the request and more', [`${REQUEST}x`], 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'],
    [
      'the request without its NUL, and more',
      ['<policy-file-request/>\n'],
      'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n',
    ],
    ['the beginning of TLS', ['\x16\x03\x01\x02\x00\x01'], 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'],
    [
      'a header that is none',
      ['GET / HTTP/1.1\r\nbad header\r\n\r\n'],
      'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n',
    ],
    [
      'a header that is too large',
      [`GET / HTTP/1.1\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`],
      'HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\r\n',
    ],
  ])('is not: %s', async (_what, pieces, answer) => {
    expect(await inPieces(await start(), pieces)).toBe(answer);
  });

  it('is none as the second request of a connection', async () => {
    const { port } = await start({ ...FLASH });
    const connection = new RawConnection(port).write(requestText('GET', '/engine.io/?EIO=4&transport=polling'));
    await connection.until(/0\{.*\}/);
    connection.write(REQUEST);
    expect(await connection.ended).toMatch(/HTTP\/1\.1 400 Bad Request\r\nConnection: close\r\n\r\n$/);
  });

  it('is text within the body of a POST', async () => {
    const { port, engine } = await start();
    engine.on('connection', (session) => session.on('message', (data: string) => session.send(data)));
    const url = `http://127.0.0.1:${port}/engine.io/?EIO=4&transport=polling`;
    const sid = JSON.parse((await ask(url)).text.slice(1)).sid;
    expect((await ask(`${url}&sid=${sid}`, { method: 'POST', body: `4${REQUEST}` })).text).toBe('ok');
    expect((await ask(`${url}&sid=${sid}`)).text).toBe(`4${REQUEST}`);
  });

  it('gets an answer among hundreds of others, and they get theirs', async () => {
    const { port, engine } = await start();
    engine.on('connection', (session) => session.on('message', (data: string) => session.send(data)));
    const all = Array.from({ length: 60 }, async (_, i) => {
      if (i % 3 === 0) return (await new RawConnection(port).write(REQUEST).ended) === file(port);
      const url = `http://127.0.0.1:${port}/engine.io/?EIO=4&transport=`;
      if (i % 3 === 1) return (await ask(`${url}polling`)).text.startsWith('0{');
      const client = new WsClient(`${url.replace('http', 'ws')}${i % 2 ? 'websocket' : 'flashsocket'}`);
      await client.next();
      await client.send(`4${i}`);
      const echo = await client.next();
      await client.close();
      return echo === `4${i}`;
    });
    expect(await Promise.all(all)).toEqual(all.map(() => true));
  });

  it('is an error as any other where no Flash socket is enabled, or the policy is turned off', async () => {
    for (const options of [{}, { ...FLASH, flashPolicy: false as const }]) {
      const { port, server } = await start(options);
      expect(server.listenerCount('clientError')).toBe(0);
      expect(await new RawConnection(port).write(REQUEST).ended).toMatch(/^HTTP\/1\.1 400/);
    }
  });
});

describe('listeners of clientError', () => {
  const answering = (calls: string[], name: string) => (error: Error, socket: Socket) => {
    calls.push(`${name} ${(error as NodeJS.ErrnoException).code}`);
    socket.end(`HTTP/1.1 418 ${name}\r\n\r\n`);
  };

  it('that were there get all but requests for the file, and nobody else answers', async () => {
    const calls: string[] = [];
    const server = createServer().on('clientError', answering(calls, 'first'));
    const { port } = await start(FLASH, server);
    expect(await inPieces({ port, server }, [REQUEST.slice(0, 9), REQUEST.slice(9)])).toBe(file(port));
    expect(calls).toEqual([]);
    expect(await new RawConnection(port).write('nonsense\r\n\r\n').ended).toBe('HTTP/1.1 418 first\r\n\r\n');
    expect(calls).toEqual(['first HPE_INVALID_METHOD']);
  });

  it('that were added later answer for themselves', async () => {
    const calls: string[] = [];
    const { port, server } = await start();
    server.on('clientError', answering(calls, 'late'));
    expect(await new RawConnection(port).write('nonsense\r\n\r\n').ended).toBe('HTTP/1.1 418 late\r\n\r\n');
    expect(calls).toHaveLength(1);
  });

  it('are given back by the last engine that leaves', async () => {
    const first = answering([], 'first');
    const late = answering([], 'late');
    const server = createServer().on('clientError', first);
    const { engine } = await start(FLASH, server);
    const other = new Engine(FLASH).attach(server, { path: '/other' });
    server.on('clientError', late);
    engine.detach();
    engine.detach();
    expect(server.listeners('clientError')).not.toContain(first);
    other.close();
    expect(server.listeners('clientError')).toEqual([first, late]);
  });

  it('of Fastify, which destroys the connection at the first piece, wait for what is theirs', async () => {
    const fastify = new FastifyAdapter();
    const server = fastify.getHttpServer() as Server;
    expect(server.listenerCount('clientError')).toBe(1);
    const { port } = await start(FLASH, server);
    expect(await inPieces({ port, server }, [...REQUEST])).toBe(file(port));
    // its own answer has a body
    expect(await new RawConnection(port).write('nonsense\r\n\r\n').ended).toMatch(
      /^HTTP\/1\.1 400[^]*"error":"Bad Request"/,
    );
  });
});

describe('a policy file', () => {
  const lines = (options: object, address = '192.0.2.1') =>
    new FlashPolicy({ flashPolicy: undefined, origins: undefined, cors: false, ...options }).lines(address, 8080);
  const domains = (options: object) => lines(options).map((line) => /domain="([^"]*)"/.exec(line)![1]);

  it.each([
    ['nobody is listed', {}, []],
    [
      'origins are listed',
      { origins: ['https://app.example', 'http://b.example:3000', /c\.example/, () => true] },
      ['app.example', 'b.example'],
    ],
    ['there is one origin', { origins: 'http://[2001:db8::1]:80' }, ['2001:db8::1']],
    [
      'cors.origin lists them',
      { cors: { origin: ['https://app.example', 'https://app.example:81', true, '*'] } },
      ['app.example'],
    ],
    [
      'origins are listed, whatever cors says',
      { origins: 'https://a.example', cors: { origin: 'https://b.example' } },
      ['a.example'],
    ],
    ['cors lets everybody in', { cors: { origin: '*' } }, []],
    ['cors lets everybody in by true', { cors: { origin: true } }, []],
    ['cors is a function', { cors: () => {} }, []],
    ['an origin has what would end the attribute', { origins: ['http://a"/><x.example', 'null', ''] }, []],
    [
      'the option lists them',
      { origins: 'https://a.example', flashPolicy: { domains: ['*.b.example'] } },
      ['*.b.example'],
    ],
    ['the option lists everybody', { flashPolicy: { domains: ['*'] } }, ['*']],
  ])('lets in movies of this address, and, where %s, of those', (_when, options, expected) => {
    expect(domains(options)).toEqual(['192.0.2.1', ...expected]);
  });

  it('names the port that was asked, or those of the option', () => {
    expect(lines({})[0]).toContain('to-ports="8080"');
    expect(lines({ flashPolicy: { ports: '80,8000-8100' } })[0]).toContain('to-ports="80,8000-8100"');
  });

  it('names an IPv4 address of a dual-stack socket as the page does', () => {
    expect(lines({}, '::ffff:192.0.2.7')[0]).toContain('domain="192.0.2.7"');
  });

  it.each([
    { domains: ['https://app.example'] },
    { domains: ['a.example:80'] },
    { domains: ['a"b'] },
    { domains: ['*example'] },
    { ports: '80"' },
    { ports: 'any' },
    { ports: '' },
  ])('cannot be made of %j', (flashPolicy) => {
    expect(() => new Engine({ ...FLASH, flashPolicy })).toThrow(/option "flashPolicy\.(domains|ports)"/);
  });
});
