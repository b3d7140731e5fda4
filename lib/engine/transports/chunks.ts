import { ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { TransportResponse } from './transport.js';

/*
 * HTTP/1.1 chunks (RFC 9112, section 7.1) that are written to the connection, below the response: `ServerResponse.write`
 * makes three writes of each, and those of a broadcast anew for every client, which costs as much again as the system call.
 */

const CRLF = '\r\n';
const LINE_END = Buffer.from(CRLF);

/** Bytes up to which frames are copied into a chunk, which leaves in one piece. */
const COPIED_CHUNK = 64 * 1024;

/**
 * The connection of a response, if chunks may be written to it: all that was written to the response before has gone there, it
 * is chunked, and nobody who writes through it (compression, say) would be passed over. Null for any other: HTTP/1.0, HTTP/2,
 * a relayed one.
 */
export function connectionBelow(response: TransportResponse): Socket | null {
  if (!(response instanceof ServerResponse) || response.write !== ServerResponse.prototype.write) return null;
  const { socket } = response;
  // waits behind another answer, or is corked
  if (!(socket instanceof Socket) || response.writableCorked > 0) return null;
  return response.chunkedEncoding && response.headersSent && !response.writableEnded ? socket : null;
}

/** Frames as one chunk in one piece; null when they are too large to be copied. */
export function chunkOf(frames: readonly Buffer[]): Buffer | null {
  const bytes = lengthOf(frames);
  if (bytes > COPIED_CHUNK) return null;
  const head = bytes.toString(16) + CRLF;
  const chunk = Buffer.allocUnsafe(head.length + bytes + CRLF.length);
  let end = chunk.write(head, 0, 'latin1');
  for (const frame of frames) {
    chunk.set(frame, end);
    end += frame.length;
  }
  chunk.set(LINE_END, end);
  return chunk;
}

/**
 * Writes frames as one chunk.
 *
 * @param chunk the frames in one piece, as {@link chunkOf} makes it.
 * @returns false when the caller should wait until they have left.
 */
export function writeChunk(connection: Socket, frames: readonly Buffer[], chunk: Buffer | null): boolean {
  if (chunk !== null) return connection.write(chunk);
  connection.cork();
  connection.write(lengthOf(frames).toString(16) + CRLF, 'latin1');
  for (const frame of frames) connection.write(frame);
  const isTaken = connection.write(LINE_END);
  connection.uncork();
  return isTaken;
}

export function lengthOf(frames: readonly Buffer[]): number {
  let bytes = 0;
  for (const frame of frames) bytes += frame.length;
  return bytes;
}
