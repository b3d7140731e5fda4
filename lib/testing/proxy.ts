import { once } from 'node:events';
import { Agent, createServer, request, type ClientRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server as TcpServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** A bad network, on a free port of the loopback address. */
export interface TestProxy {
  readonly port: number;
  /** `http://127.0.0.1:<port>`, to be used in place of the server's address. */
  readonly url: string;
  /** Cuts what is open. Resolves when the port is free. */
  close(): Promise<void>;
}

/** What every bad network needs to know. */
export interface ProxyOptions {
  /** The server behind it: the URL, or the port on the loopback address. Plain HTTP only. */
  target: string | number;
}

/** What a bad network does otherwise than a good one. Whatever it leaves out is forwarded as it is. */
export interface Behaviour {
  /** Takes a request over. @returns whether it did. */
  request?(message: IncomingMessage, response: ServerResponse): boolean;
  /** Takes an upgrade over. @returns whether it did. */
  upgrade?(message: IncomingMessage, socket: Duplex): boolean;
  /** Passes an answer on. */
  answer?(answer: IncomingMessage, response: ServerResponse, message: IncomingMessage): void;
  /** An upgrade was forwarded and accepted, and the client has been told so. */
  tunnel?(client: Duplex): void;
}

/** Starts an HTTP proxy. */
export async function startHttpProxy({ target }: ProxyOptions, behaviour: Behaviour): Promise<TestProxy> {
  const origin = targetUrl(target);
  const agent = new Agent({ keepAlive: true });
  const forward = (message: IncomingMessage, options: { agent: Agent | false }): ClientRequest => {
    const { method, url, headers } = message;
    return request({ host: origin.hostname, port: origin.port, method, path: url, headers, ...options });
  };
  const server = createServer((message, response) => {
    if (behaviour.request?.(message, response)) return;
    const forwarded = forward(message, { agent });
    forwarded.on('response', (answer) => {
      answer.on('error', () => response.destroy());
      if (behaviour.answer !== undefined) behaviour.answer(answer, response, message);
      else passOn(answer, response);
    });
    forwarded.on('error', () => response.destroy());
    response.on('close', () => forwarded.destroy());
    message.pipe(forwarded);
  });
  server.on('upgrade', (message, socket: Socket, head) => {
    socket.on('error', ignoreError);
    if (behaviour.upgrade?.(message, socket)) return;
    const forwarded = forward(message, { agent: false });
    forwarded.on('error', () => socket.destroy());
    forwarded.on('response', (answer) => {
      socket.write(rawHead(answer));
      answer.pipe(socket);
    });
    forwarded.on('upgrade', (answer, upstream: Socket, first) => {
      upstream.on('error', ignoreError);
      upstream.on('close', () => socket.destroy());
      socket.on('close', () => upstream.destroy());
      socket.write(rawHead(answer));
      behaviour.tunnel?.(socket);
      if (socket.destroyed) return;
      socket.write(first);
      upstream.write(head);
      socket.pipe(upstream).pipe(socket);
    });
    socket.on('close', () => forwarded.destroy());
    forwarded.end();
  });
  const proxy = await listening(server);
  return {
    ...proxy,
    async close() {
      await proxy.close();
      agent.destroy();
    },
  };
}

/** Starts a proxy of bytes. */
export async function startTcpProxy(
  { target }: ProxyOptions,
  connect: (client: Socket, origin: { host: string; port: number }) => void,
): Promise<TestProxy> {
  const { hostname, port } = targetUrl(target);
  return listening(createTcpServer((client) => connect(client, { host: hostname, port: Number(port) })));
}

/** Sends an answer on as it comes. */
export function passOn(answer: IncomingMessage, response: ServerResponse): void {
  writeHead(answer, response);
  answer.pipe(response);
}

/** Sends the head of an answer on, and the body without being asked to hold it. */
export function writeHead(answer: IncomingMessage, response: ServerResponse): void {
  response.writeHead(answer.statusCode!, answer.statusMessage, answer.rawHeaders);
  response.flushHeaders();
}

/** The head of an answer to an upgrade, as it came. */
function rawHead({ statusCode, statusMessage, rawHeaders }: IncomingMessage): string {
  let head = `HTTP/1.1 ${statusCode} ${statusMessage}\r\n`;
  for (let i = 0; i < rawHeaders.length; i += 2) head += `${rawHeaders[i]}: ${rawHeaders[i + 1]}\r\n`;
  return `${head}\r\n`;
}

async function listening(server: TcpServer): Promise<TestProxy> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', ignoreError);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function targetUrl(target: string | number): URL {
  const url = new URL(typeof target === 'number' ? `http://127.0.0.1:${target}` : target);
  if (url.protocol !== 'http:') throw new TypeError(`target must be http:, not ${url.protocol}`);
  if (url.port === '') url.port = '80';
  return url;
}

export function ignoreError(): void {
  // a connection that fails closes, and that is what is listened to
}
