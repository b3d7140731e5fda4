import { base64 } from '../packets.js';
import { sha1 } from './sha1.js';

/*
 * The opening handshake of WebSocket, from the client's side: RFC 6455, section 4.1.
 */

/** What makes a key an answer. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** Most bytes of the answer's head. */
const MAX_HEAD = 16_384;

/** Headers of a request, as the client's `extraHeaders` gives them. */
export type ExtraHeaders = Readonly<Record<string, string>>;

/** What is asked for. */
export interface UpgradeTarget {
  /** Host and port, as in a Host header. */
  readonly host: string;
  /** Path and query. */
  readonly path: string;
  readonly origin: string | undefined;
  readonly headers: ExtraHeaders;
}

/** The answer is not that of a WebSocket server. */
export class UpgradeError extends Error {}

/** One opening handshake. */
export class Upgrade {
  private readonly key: string;
  private head = '';

  /** @param random 16 bytes. */
  constructor(
    private readonly target: UpgradeTarget,
    random: Uint8Array,
  ) {
    this.key = base64(random);
  }

  /** @throws UpgradeError for what would be another request than it says. */
  request(): string {
    const { host, path, origin, headers } = this.target;
    const lines = [
      `GET ${path} HTTP/1.1`,
      `Host: ${host}`,
      'Upgrade: websocket',
      'Connection: Upgrade',
      `Sec-WebSocket-Key: ${this.key}`,
      'Sec-WebSocket-Version: 13',
      ...(origin === undefined ? [] : [`Origin: ${origin}`]),
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ];
    // headers are the application's, which may have them from anywhere
    if (lines.some((line) => /[^\t\x20-\xff]/.test(line))) throw new UpgradeError('a header has an illegal character');
    return `${lines.join('\r\n')}\r\n\r\n`;
  }

  /**
   * Reads the answer from chunks that end anywhere.
   *
   * @returns what follows it; null: it has not come whole.
   * @throws UpgradeError when it is a refusal, or none of a WebSocket server.
   */
  push(chunk: Uint8Array): Uint8Array | null {
    const searchFrom = Math.max(0, this.head.length - 3);
    const before = this.head.length;
    // Latin-1, so that a character is a byte
    for (const byte of chunk.subarray(0, MAX_HEAD)) this.head += String.fromCharCode(byte);
    const end = this.head.indexOf('\r\n\r\n', searchFrom);
    if (end < 0) {
      if (this.head.length >= MAX_HEAD) throw new UpgradeError('the answer has no end');
      return null;
    }
    this.check(this.head.slice(0, end));
    return chunk.subarray(end + 4 - before);
  }

  private check(head: string): void {
    const [status = '', ...lines] = head.split('\r\n');
    const code = /^HTTP\/1\.\d (\d{3})/.exec(status)?.[1];
    if (code !== '101') throw new UpgradeError(code === undefined ? 'the answer is no HTTP' : `the answer is ${code}`);
    const headers = new Map<string, string>();
    for (const line of lines) {
      const colon = line.indexOf(':');
      headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
    }
    const isUpgrade =
      headers.get('upgrade')?.toLowerCase() === 'websocket' &&
      /(^|,)\s*upgrade\s*(,|$)/i.test(headers.get('connection') ?? '') &&
      headers.get('sec-websocket-accept') === base64(sha1(this.key + GUID));
    if (!isUpgrade) throw new UpgradeError('the answer is not that of a WebSocket server');
    // neither was asked for
    if (headers.has('sec-websocket-extensions') || headers.has('sec-websocket-protocol')) {
      throw new UpgradeError('the answer has an extension or a protocol');
    }
  }
}
