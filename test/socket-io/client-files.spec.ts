/** The files of the stock client. socket.io's own server is the oracle: the same requests to both. */
import { once } from 'node:events';
import { createServer, get, request as httpRequest, type IncomingMessage, type Server as HttpServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Server, type ServerOptions } from 'socket.io';
import { createSocketIoServer } from '../../lib/socket-io/bind-socket-io.js';
import { RawConnection, requestText } from '../support/wire-http.js';
import { ClientFiles, OWN_CLIENT_FILES, STOCK_CLIENT_FILES } from '../../lib/socket-io/client-files.js';

type Options = Partial<ServerOptions>;

const OPTIONS: Record<string, Options> = {
  plain: {},
  'with CORS': { cors: { origin: 'https://app.example', credentials: true } },
  'on another path': { path: '/deep/live/' },
  'turned off': { serveClient: false },
};

interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

const DECODERS: Record<string, (body: Buffer) => Promise<Buffer>> = {
  br: promisify(brotliDecompress),
  gzip: promisify(gunzip),
  deflate: promisify(inflate),
};

async function ask(base: string, path: string, headers = {}, method = 'GET'): Promise<Answer> {
  const request = (method === 'GET' ? get : httpRequest)(base + path, { headers, method, agent: false });
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const raw = Buffer.concat(chunks);
  const decode = DECODERS[String(response.headers['content-encoding'])];
  return { status: response.statusCode!, headers: response.headers, body: decode ? await decode(raw) : raw };
}

/** What the comparison is about: how a body travels (chunked or not) and dates are not part of it. */
function essence({ status, headers, body }: Answer): unknown {
  const { date: _date, connection: _connection, vary: _vary, ...rest } = headers;
  delete rest['transfer-encoding'];
  delete rest['content-length'];
  delete rest['keep-alive'];
  // ours on every answer; a spec of its own asks for it
  delete rest['x-content-type-options'];
  if (status >= 400) delete rest['cache-control'];
  return { status, headers: rest, body: body.toString('base64') };
}

const closers: (() => Promise<void>)[] = [];
const bases: Record<string, { ours: string; stock: string; app: HttpServer }> = {};

async function serve(make: (server: HttpServer) => Server): Promise<string> {
  const http = createServer((_request, response) => void response.writeHead(418).end('the app'));
  const io = make(http);
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  closers.push(() => io.close());
  return `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
}

beforeAll(async () => {
  for (const [name, options] of Object.entries(OPTIONS)) {
    /* oxlint-disable no-await-in-loop */
    const ours = await serve((http) => createSocketIoServer(http, { ...options } as never));
    const stock = await serve((http) => new Server(http, { ...options }));
    /* oxlint-enable no-await-in-loop */
    bases[name] = { ours, stock } as never;
  }
});

afterAll(async () => {
  await Promise.all(closers.map((close) => close()));
});

const PATHS = [...STOCK_CLIENT_FILES, 'socket.io.js?v=1'];

describe.each(Object.entries(OPTIONS))('client files, %s', (name, options) => {
  const prefix = (options.path ?? '/socket.io/').replace(/\/$/, '');
  const both = async (path: string, headers?: object): Promise<[unknown, unknown, Answer]> => {
    const { ours, stock } = bases[name]!;
    const [our, theirs] = await Promise.all([ask(ours, prefix + path, headers), ask(stock, prefix + path, headers)]);
    return [essence(our), essence(theirs), our];
  };

  it.each(PATHS)('are those of socket.io: %s', async (path) => {
    const [ours, stock, { status, body }] = await both(`/${path}`);
    expect(ours).toEqual(stock);
    if (options.serveClient === false) expect(status).toBe(400);
    else expect(body.length).toBeGreaterThan(10_000);
  });

  it.each([
    ['br, gzip', 'br'],
    ['gzip;q=0.8, br;q=0.9', 'br'],
    ['gzip', 'gzip'],
    ['deflate', 'deflate'],
    ['gzip;q=0, deflate', 'deflate'],
    ['identity', undefined],
    ['compress', undefined],
    ['*', 'br'],
    ['__proto__, constructor', undefined],
  ])('are compressed as the client accepts: %s', async (accept, encoding) => {
    // twice: the second answer comes from what the first has made
    for (let round = 0; round < 2; round += 1) {
      // oxlint-disable-next-line no-await-in-loop
      const [ours, stock, answer] = await both('/socket.io.min.js', { 'accept-encoding': accept });
      expect(ours).toEqual(stock);
      if (options.serveClient !== false) expect(answer.headers['content-encoding']).toBe(encoding);
    }
  });

  it.each(['strong', 'weak', 'other'])('are not sent again when the client has them: %s ETag', async (kind) => {
    const { headers } = await ask(bases['plain']!.stock, '/socket.io/socket.io.js');
    const etag = { strong: headers.etag, weak: `W/${headers.etag}`, other: '"1.2.3"' }[kind];
    const [ours, stock, { status }] = await both('/socket.io.js', { 'if-none-match': etag });
    expect(ours).toEqual(stock);
    if (options.serveClient !== false) expect(status).toBe(kind === 'other' ? 200 : 304);
  });

  it.each(['https://app.example', 'https://other.example'])('carry CORS headers for %s', async (origin) => {
    const [ours, stock] = await both('/socket.io.js', { origin });
    expect(ours).toEqual(stock);
  });

  it.each(['/nothing.js', '/socket.io.jsx', '/socket.io.js/', '//socket.io.js', '/../socket.io.js', '/%73ocket.io.js'])(
    'are nothing else: %s',
    async (path) => {
      const [, , { status }] = await both(path);
      expect([400, 404, 418]).toContain(status);
    },
  );

  it('leave the rest of the application alone', async () => {
    const { ours } = bases[name]!;
    expect(await ask(ours, '/socket.io.js')).toMatchObject({ status: 418 });
    expect(await ask(ours, `${prefix}s/socket.io.js`)).toMatchObject({ status: 418 });
  });
});

describe('client files', () => {
  it('answer HEAD without a body', async () => {
    const { ours } = bases['plain']!;
    const whole = await ask(ours, '/socket.io/socket.io.js');
    const head = await ask(ours, '/socket.io/socket.io.js', {}, 'HEAD');
    expect(head.body.length).toBe(0);
    expect(head.headers['content-length']).toBe(String(whole.body.length));
  });

  it.each(OWN_CLIENT_FILES)('have ours beside the stock ones, where those are served: %s', async (name) => {
    // by its ETag, which needs no build; what is in it is for the specs in browsers
    const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };
    const known = { 'if-none-match': `"${version}"` };
    expect(await ask(bases['plain']!.ours, `/socket.io/${name}`, known)).toMatchObject({ status: 304 });
    expect(await ask(bases['on another path']!.ours, `/deep/live/${name}`, known)).toMatchObject({ status: 304 });
    expect(await ask(bases['turned off']!.ours, `/socket.io/${name}`, known)).toMatchObject({ status: 400 });
  });

  it('have the Flash movie where Flash sockets are enabled, and nowhere else', async () => {
    const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };
    const known = { 'if-none-match': `"${version}"` };
    const io = createSocketIoServer(0, { transports: ['flashsocket', 'polling'] });
    const { httpServer } = io as unknown as { httpServer: HttpServer };
    await once(httpServer, 'listening');
    const base = `http://127.0.0.1:${(httpServer.address() as AddressInfo).port}`;
    try {
      expect(await ask(base, '/socket.io/nestwire.swf', known)).toMatchObject({ status: 304 });
      expect(await ask(bases['plain']!.ours, '/socket.io/nestwire.swf', known)).toMatchObject({ status: 400 });
    } finally {
      await io.close();
    }
  });

  it('say by what they vary', async () => {
    expect((await ask(bases['plain']!.ours, '/socket.io/socket.io.js')).headers.vary).toBe('Accept-Encoding');
    expect((await ask(bases['with CORS']!.ours, '/socket.io/socket.io.js')).headers.vary).toBe(
      'Origin, Accept-Encoding',
    );
  });

  it.each([
    '/socket.io/../../package.json',
    '/socket.io/..%2f..%2fpackage.json',
    '/socket.io/%2e%2e/%2e%2e/package.json',
    '/socket.io/..\\..\\package.json',
    '/socket.io/socket.io.js/../../package.json',
    '/socket.io/socket.io.js%00.map',
    '/socket.io//etc/passwd',
    '/socket.io/client-dist/socket.io.js',
    '/socket.io/__proto__',
    '/socket.io/constructor',
  ])('are found by their names alone, not by paths: %s', async (path) => {
    // as it stands: an HTTP client would tidy the path up
    const connection = new RawConnection(Number(new URL(bases['plain']!.ours).port));
    connection.write(requestText('GET', path, { connection: 'close' }));
    expect(await connection.ended).toMatch(/^HTTP\/1\.1 400 [^]*Transport unknown/);
  });

  it('are taken for nothing else than they are', async () => {
    const { ours } = bases['plain']!;
    const etag = String((await ask(ours, '/socket.io/socket.io.js')).headers.etag);
    for (const headers of [{}, { 'if-none-match': etag }]) {
      const answer = await ask(ours, '/socket.io/socket.io.js', headers);
      expect(answer.headers['x-content-type-options']).toBe('nosniff');
    }
  });

  it.each<[string, unknown]>([
    ['throws', () => { throw new TypeError('Invalid URL'); }], // prettier-ignore
    ['rejects', async () => { throw new TypeError('Invalid URL'); }], // prettier-ignore
  ])('are served, without CORS headers, where cors.origin %s', async (_how, origin) => {
    const base = await serve((http) => createSocketIoServer(http, { cors: { origin } } as never));
    const { status, headers } = await ask(base, '/socket.io/socket.io.min.js');
    expect(status).toBe(200);
    expect(headers).not.toHaveProperty('access-control-allow-origin');
  });

  it('can be joined by others, and do not hang when one is missing', async () => {
    const files = new ClientFiles('/live');
    files.add('missing.js', '/nowhere/missing.js', '1.0.0');
    const http = createServer((request, response) => {
      if (!files.handle(request, response)) response.writeHead(404).end();
    });
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    const base = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
    expect(await ask(base, '/live/missing.js')).toMatchObject({ status: 500 });
    expect(await ask(base, '/live/missing.js', { 'if-none-match': '"1.0.0"' })).toMatchObject({ status: 304 });
    expect(await ask(base, '/live/other.js')).toMatchObject({ status: 404 });
    http.close();
    await once(http, 'close');
  });
});
