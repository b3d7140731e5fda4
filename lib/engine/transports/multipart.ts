import { codecFor } from '../protocol/codec.js';
import { toBuffer, type Packet } from '../protocol/packet.js';
import type { Envelope } from './envelope.js';

/*
 * Multipart streaming: `multipart/x-mixed-replace` (RFC 2046, section 5.1) read by fetch. A frame is one part: a text part
 * is a payload, unless it is `application/json`, which is an array of packets for those that hold 0x1E or a lone
 * surrogate; a binary part is one binary message, raw. Parts are read by their Content-Length, so the bytes of a message
 * may hold the boundary. A part of type `text/x-nestwire-seq` tells the number of the next frame and is none; the closing
 * boundary is the planned end.
 */

const BOUNDARY = 'nestwire';

const codec = codecFor(4);

/** Text that a payload would change: the separator inside a packet, and what UTF-8 cannot hold. */
function needsJson(encoded: string): boolean {
  return encoded.includes('\x1e') || !encoded.isWellFormed();
}

export const multipartEnvelope: Envelope = {
  open: () => ({
    headers: {
      'Content-Type': `multipart/x-mixed-replace; boundary=${BOUNDARY}`,
      // Firefox shows such a response as a document that replaces itself with each part
      'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
    },
    prelude: '\r\n',
  }),

  position: (next) => part('text/x-nestwire-seq', String(next)),

  frames(packets: readonly Packet[], supportsBinary: boolean): Buffer[] {
    const frames: Buffer[] = [];
    let texts: string[] = [];
    const flush = (): void => {
      if (texts.length > 0) frames.push(textPart(texts));
      texts = [];
    };
    for (const packet of packets) {
      if (supportsBinary && packet.data !== undefined && typeof packet.data !== 'string') {
        flush();
        frames.push(binaryPart(toBuffer(packet.data)));
      } else {
        texts.push(codec.encodePacket(packet, false) as string);
      }
    }
    flush();
    return frames;
  },

  end: `--${BOUNDARY}--\r\n`,
};

function textPart(texts: readonly string[]): Buffer {
  return texts.some(needsJson)
    ? Buffer.from(part('application/json', JSON.stringify(texts)))
    : Buffer.from(part('text/plain; charset=UTF-8', texts.join('\x1e')));
}

/** Copies the bytes: the frame may have to be sent again, and the application may use its buffer for something else. */
function binaryPart(bytes: Buffer): Buffer {
  const head = header('application/octet-stream', bytes.length);
  return Buffer.concat([Buffer.from(head), bytes, Buffer.from('\r\n')]);
}

function part(type: string, body: string): string {
  return `${header(type, Buffer.byteLength(body))}${body}\r\n`;
}

function header(type: string, length: number): string {
  return `--${BOUNDARY}\r\nContent-Type: ${type}\r\nContent-Length: ${length}\r\n\r\n`;
}
