import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, deflate, gzip } from 'node:zlib';
import accepts from 'accepts';
import cors, { type CorsOptions, type CorsOptionsDelegate } from 'cors';
import { guardCors } from '../engine/cors.js';

/** The builds of the stock client, and their source maps, as the `socket.io` package ships them. */
export const STOCK_CLIENT_FILES = [
  'socket.io.js',
  'socket.io.js.map',
  'socket.io.min.js',
  'socket.io.min.js.map',
  'socket.io.esm.min.js',
  'socket.io.esm.min.js.map',
  'socket.io.msgpack.min.js',
  'socket.io.msgpack.min.js.map',
] as const;

/** The builds of our client, which have the stock one in them, without and with legacy transports, and their source maps. */
export const OWN_CLIENT_FILES = [
  'nestwire.js',
  'nestwire.js.map',
  'nestwire.legacy.js',
  'nestwire.legacy.js.map',
] as const;

/** The Flash movie of our client, for servers that speak to Flash players. */
export const FLASH_FILE = 'nestwire.swf';

const TYPES: Readonly<Record<string, string>> = {
  js: 'application/javascript; charset=utf-8',
  map: 'application/json; charset=utf-8',
  swf: 'application/x-shockwave-flash',
};

/** Best first. Each is made once a file and kept: a file has at most three of them, and a megabyte holds them all. */
const ENCODERS = {
  br: promisify(brotliCompress),
  gzip: promisify(gzip),
  deflate: promisify(deflate),
} satisfies Record<string, (source: Buffer) => Promise<Buffer>>;

type Encoding = keyof typeof ENCODERS | 'identity';

interface ClientFile {
  readonly path: string;
  readonly contentType: string;
  /** Quoted, as RFC 9110 8.8.3 wants it. */
  readonly etag: string;
  /** What has been asked for so far, by encoding. */
  readonly bodies: Map<Encoding, Promise<Buffer>>;
}

interface Manifest {
  readonly version: string;
}

type Answer = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void;

/**
 * Serves the browser builds of the clients below a path: the stock ones, `<path>/socket.io.js` and its siblings, and ours,
 * `<path>/nestwire.js` and `<path>/nestwire.legacy.js`, with our Flash movie where one is wanted.
 * Answers as socket.io does: `Cache-Control: public, max-age=0`, an ETag with the version, 304, br, gzip or deflate.
 */
export class ClientFiles {
  private readonly files = new Map<string, ClientFile>();
  private readonly prefix: string;
  private readonly allowOrigin: Answer | null;

  /**
   * @param path without a trailing slash.
   * @param corsOptions options of the `cors` package; without them no CORS headers are sent.
   * @param withFlash whether the Flash movie is served.
   */
  constructor(path: string, corsOptions?: CorsOptions | CorsOptionsDelegate | false, withFlash = false) {
    this.prefix = `${path}/`;
    this.allowOrigin = corsOptions ? (cors(guardCors(corsOptions)) as unknown as Answer) : null;
    const load = createRequire(import.meta.url);
    const stock = dirname(load.resolve('socket.io/package.json'));
    this.addAll(STOCK_CLIENT_FILES, join(stock, 'client-dist'), load('socket.io/package.json') as Manifest);
    // the same from `lib` and from `dist`
    const own = fileURLToPath(new URL('../../dist/client', import.meta.url));
    const files = withFlash ? [...OWN_CLIENT_FILES, FLASH_FILE] : OWN_CLIENT_FILES;
    this.addAll(files, own, load('../../package.json') as Manifest);
  }

  /** Makes a file available as `<path>/<name>`; the version is what its ETag says. */
  add(name: string, path: string, version: string): void {
    const contentType = TYPES[name.slice(name.lastIndexOf('.') + 1)]!;
    this.files.set(name, { path, contentType, etag: `"${version}"`, bodies: new Map() });
  }

  /** Answers a GET or HEAD request for one of the files. Returns whether it is one. */
  readonly handle = (request: IncomingMessage, response: ServerResponse): boolean => {
    const { url = '' } = request;
    // most that begins so is for the engine, and has no name there
    if (!url.startsWith(this.prefix) || url[this.prefix.length] === '?') return false;
    const file = this.files.get(url.slice(this.prefix.length).split('?', 1)[0]!);
    if (file === undefined) return false;
    const answer = (): void => void this.answer(file, request, response);
    if (this.allowOrigin === null) answer();
    else this.allowOrigin(request, response, answer);
    return true;
  };

  private addAll(names: readonly string[], folder: string, { version }: Manifest): void {
    for (const name of names) this.add(name, join(folder, name), version);
  }

  private async answer(file: ClientFile, request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('X-Content-Type-Options', 'nosniff');
    const known = request.headers['if-none-match'];
    if (known === file.etag || known === `W/${file.etag}`) {
      response.writeHead(304).end();
      return;
    }
    const accepted = accepts(request).encodings(Object.keys(ENCODERS));
    const encoding: Encoding =
      typeof accepted === 'string' && accepted in ENCODERS ? (accepted as Encoding) : 'identity';
    let body: Buffer;
    try {
      body = await this.body(file, encoding);
    } catch {
      // the installation is broken; the request must not hang, and the next one tries again
      response.writeHead(500).end();
      return;
    }
    response.setHeader('Cache-Control', 'public, max-age=0');
    response.setHeader('Content-Type', file.contentType);
    response.setHeader('ETag', file.etag);
    appendVary(response, 'Accept-Encoding');
    if (encoding !== 'identity') response.setHeader('Content-Encoding', encoding);
    response.setHeader('Content-Length', body.length);
    response.writeHead(200).end(request.method === 'HEAD' ? undefined : body);
  }

  private body(file: ClientFile, encoding: Encoding): Promise<Buffer> {
    let body = file.bodies.get(encoding);
    if (body === undefined) {
      const source = readFile(file.path);
      body = encoding === 'identity' ? source : source.then(ENCODERS[encoding]);
      file.bodies.set(encoding, body);
      body.catch(() => file.bodies.delete(encoding));
    }
    return body;
  }
}

/** The `cors` package may have named `Origin` there. */
function appendVary(response: ServerResponse, field: string): void {
  const present = response.getHeader('Vary');
  response.setHeader('Vary', present === undefined ? field : `${String(present)}, ${field}`);
}
