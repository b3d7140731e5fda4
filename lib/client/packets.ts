/*
 * Packets on their way up, in the payload format of Engine.IO 4. engine.io-client has an encoder, but does not export it.
 *
 * https://github.com/socketio/socket.io/blob/main/docs/engine.io-protocol/v4-current.md
 */

/** A packet as engine.io-client hands it to a transport. */
export interface Packet {
  type: string;
  data?: unknown;
}

const TYPES = ['open', 'close', 'ping', 'pong', 'message', 'upgrade', 'noop'];

/** Joins the packets of a payload. */
export const SEPARATOR = '\x1e';

/** The packet that ends a session. */
export const CLOSE = '1';

/** Bytes of which `String.fromCharCode` makes arguments: some engines take no more than 65,535. */
const CHUNK = 0x8000;

/**
 * Encodes one packet as text; binary data as `b` and base64.
 *
 * @returns a promise for a `Blob`, whose bytes cannot be had at once.
 */
export function encodePacket({ type, data }: Packet): string | Promise<string> {
  if (data instanceof ArrayBuffer) return `b${base64(new Uint8Array(data))}`;
  if (ArrayBuffer.isView(data)) return `b${base64(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))}`;
  if (typeof Blob === 'function' && data instanceof Blob) {
    return data.arrayBuffer().then((bytes) => `b${base64(new Uint8Array(bytes))}`);
  }
  return TYPES.indexOf(type) + ((data as string | undefined) ?? '');
}

/**
 * Joins encoded packets to as few payloads as a limit allows. A packet that is over the limit alone stays alone: the server
 * has the word on it.
 *
 * @param limit bytes of a payload.
 */
export function payloads(packets: readonly string[], limit: number): string[] {
  const bodies: string[] = [];
  let body = '';
  let bytes = 0;
  packets.forEach((packet, index) => {
    const length = utf8Length(packet);
    const joined = bytes + SEPARATOR.length + length;
    if (index > 0 && joined <= limit) {
      body += SEPARATOR + packet;
      bytes = joined;
    } else {
      if (index > 0) bodies.push(body);
      body = packet;
      bytes = length;
    }
  });
  if (packets.length > 0) bodies.push(body);
  return bodies;
}

/** Bytes of a text in UTF-8; a lone surrogate counts as what it is replaced by. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x80) continue;
    bytes += code < 0x800 ? 1 : 2;
    // the two halves of a pair are four bytes together
    if (code >= 0xd800 && code < 0xdc00 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) i++;
  }
  return bytes;
}

/** Bytes as base64. */
export function base64(bytes: Uint8Array): string {
  let binary = '';
  for (let i = 0; i < bytes.length; i += CHUNK) binary += String.fromCharCode(...bytes.subarray(i, i + CHUNK));
  return btoa(binary);
}
