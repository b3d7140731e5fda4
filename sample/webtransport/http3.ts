import { readFileSync } from 'node:fs';
import type { WebTransportSession } from 'nestwire/engine';

/** A session as the package gives it: the W3C's, with what the client's request said. */
type Http3Session = WebTransportSession & {
  readonly header?: Record<string, string>;
  readonly peerAddress?: string;
};

/** The parts of `@fails-components/webtransport` that are used. */
interface Http3Server {
  readonly ready: Promise<unknown>;
  startServer(): void;
  stopServer(): void;
  setRequestCallback(decide: (request: { header: Record<string, string> }) => Promise<object>): void;
  sessionStream(path: string): ReadableStream<Http3Session>;
}

interface Http3Package {
  readonly Http3Server: new (options: object) => Http3Server;
}

const PACKAGE = '@fails-components/webtransport';

/** What comes in by HTTP/3, and how it is stopped. */
export interface Http3 {
  readonly sessions: ReadableStream<Http3Session>;
  stop(): void;
}

/**
 * An HTTP/3 server for the sessions of one path. Node has none, so a package is needed that is not among this one's.
 *
 * @throws Error that says what to install.
 */
export async function listen(port: number, path: string, certificate: string, key: string): Promise<Http3> {
  // by a name that the compiler does not look up
  const name: string = PACKAGE;
  const loaded = (await import(name).catch((error: unknown) => {
    throw new Error(
      `WebTransport needs an HTTP/3 server: npm install ${PACKAGE} ${PACKAGE}-transport-http3-quiche (${String(error)})`,
    );
  })) as Http3Package;
  const server = new loaded.Http3Server({
    port,
    host: '0.0.0.0',
    secret: process.env['HTTP3_SECRET'] ?? 'change me',
    cert: readFileSync(certificate, 'utf8'),
    privKey: readFileSync(key, 'utf8'),
  });
  // the query is not part of the path
  server.setRequestCallback(({ header }) => {
    const asked = header[':path']?.split('?')[0];
    return Promise.resolve({ ...header, path: asked, status: asked === path ? 200 : 404 });
  });
  const sessions = server.sessionStream(path);
  server.startServer();
  await server.ready;
  return { sessions, stop: () => server.stopServer() };
}
