import { EventEmitter } from 'node:events';
import { STATUS_CODES, validateHeaderName, validateHeaderValue, type OutgoingHttpHeaders } from 'node:http';
import type { Duplex } from 'node:stream';

/**
 * The response that middlewares get for an upgrade request: headers they set go into the 101 answer, and when they
 * answer themselves that is what the client gets instead of the upgrade. It has those parts of a `ServerResponse` that
 * middlewares like helmet, cors and express-session use.
 *
 * Events: `finish` when it was ended, `close` with the connection.
 */
export class UpgradeResponse extends EventEmitter {
  statusCode = 200;
  statusMessage = '';
  headersSent = false;
  writableEnded = false;
  finished = false;
  private readonly headers = new Map<string, { name: string; value: number | string | readonly string[] }>();
  private body: Buffer[] = [];
  private readonly onClose = (): void => void this.emit('close');

  constructor(readonly socket: Duplex) {
    super();
    socket.once('close', this.onClose);
  }

  /** Lets go of the connection, unless a middleware waits for its end. */
  release(): void {
    if (this.listenerCount('close') === 0) this.socket.off('close', this.onClose);
  }

  get connection(): Duplex {
    return this.socket;
  }

  setHeader(name: string, value: number | string | readonly string[]): this {
    this.headers.set(name.toLowerCase(), { name, value });
    return this;
  }

  appendHeader(name: string, value: string | readonly string[]): this {
    const present = this.getHeader(name);
    const values = present === undefined ? [] : Array.isArray(present) ? present : [String(present)];
    return this.setHeader(name, [...(values as string[]), ...(Array.isArray(value) ? value : [value as string])]);
  }

  getHeader(name: string): number | string | readonly string[] | undefined {
    return this.headers.get(name.toLowerCase())?.value;
  }

  getHeaders(): OutgoingHttpHeaders {
    return Object.fromEntries([...this.headers].map(([key, { value }]) => [key, value])) as OutgoingHttpHeaders;
  }

  /** Headers under the names as they were set. */
  getNamedHeaders(): OutgoingHttpHeaders {
    return Object.fromEntries(
      [...this.headers.values()].map(({ name, value }) => [name, value]),
    ) as OutgoingHttpHeaders;
  }

  getHeaderNames(): string[] {
    return [...this.headers.keys()];
  }

  hasHeader(name: string): boolean {
    return this.headers.has(name.toLowerCase());
  }

  removeHeader(name: string): void {
    this.headers.delete(name.toLowerCase());
  }

  writeHead(status: number, ...rest: unknown[]): this {
    this.statusCode = status;
    const headers = rest.find((part) => typeof part === 'object' && part !== null) as OutgoingHttpHeaders | undefined;
    for (const [name, value] of Object.entries(headers ?? {})) {
      if (value !== undefined) this.setHeader(name, value);
    }
    return this;
  }

  write(chunk: string | Uint8Array): boolean {
    this.body.push(Buffer.from(chunk as string));
    return true;
  }

  /** Answers in the place of the upgrade, and ends the connection. */
  end(chunk?: string | Uint8Array | (() => void)): this {
    if (this.writableEnded) return this;
    if (chunk !== undefined && typeof chunk !== 'function') this.write(chunk);
    this.writableEnded = true;
    this.finished = true;
    this.headersSent = true;
    writeRawResponse(this.socket, this.statusCode, this.lines(), Buffer.concat(this.body));
    this.emit('finish');
    return this;
  }

  /** Header lines for the 101 answer; what is illegal in one is dropped, for it might split the answer. */
  lines(): string[] {
    const lines: string[] = [];
    for (const { name, value } of this.headers.values()) {
      if (!isLegalHeader(name, value)) continue;
      for (const one of Array.isArray(value) ? (value as readonly string[]) : [value]) lines.push(`${name}: ${one}`);
    }
    return lines;
  }
}

/** Whether a header may be written as it is. Headers are Latin-1: of other characters a part would be sent, even a line break. */
export function isLegalHeader(name: string, value: OutgoingHttpHeaders[string] | readonly string[]): boolean {
  try {
    validateHeaderName(name);
    for (const one of Array.isArray(value) ? value : [value]) validateHeaderValue(name, one as string);
    return true;
  } catch {
    return false;
  }
}

/** Answers an upgrade request with an ordinary response, and ends the connection. */
export function writeRawResponse(
  socket: Duplex,
  status: number,
  lines: readonly string[],
  body: Buffer | string,
): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const bytes = Buffer.from(body as string);
  const head = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}`, 'Connection: close'];
  const own = lines.filter((line) => !/^(connection|content-length|transfer-encoding):/i.test(line));
  head.push(...own, `Content-Length: ${bytes.length}`, '', '');
  socket.end(Buffer.concat([Buffer.from(head.join('\r\n'), 'latin1'), bytes]), () => socket.destroy());
}
