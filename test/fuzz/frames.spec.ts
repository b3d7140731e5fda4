import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { DraftParser, encodeDraftText } from '../../lib/engine/transports/websocket-draft-frames.js';
import { FrameDecoder, FrameError } from '../../lib/engine/transports/webtransport-frames.js';
import { frameOf } from '../support/wire-webtransport.js';
import { almostFrames, cut, cuts, runs, wellFormedText } from './arbitraries.js';

/*
 * Decoders of frames, held against others that see all bytes at once and keep no state. Bytes may come in any pieces; what a
 * decoder keeps is one frame at most.
 */

const MAX_BYTES = 40;

interface Read {
  seen: unknown[];
  /** Whether there was something wrong, after which nothing was read. */
  failed: boolean;
}

/** Frames of draft 76 in bytes that are all there. */
function readDraft(bytes: Buffer): Read {
  const seen: unknown[] = [];
  for (let at = 0; at < bytes.length;) {
    if (bytes[at] === 0xff) {
      if (at + 1 === bytes.length) break;
      if (bytes[at + 1] !== 0) return { seen, failed: true };
      return { seen: [...seen, 'CLOSE'], failed: false };
    }
    if (bytes[at] !== 0) return { seen, failed: true };
    const end = bytes.indexOf(0xff, at);
    const text = bytes.subarray(at + 1, end < 0 ? bytes.length : end);
    if (text.length > MAX_BYTES) return { seen, failed: true };
    if (end < 0) break;
    seen.push(text.toString());
    at = end + 1;
  }
  return { seen, failed: false };
}

/** Frames of WebTransport in bytes that are all there. */
function readWebTransport(bytes: Buffer): Read {
  const seen: unknown[] = [];
  for (let at = 0; at < bytes.length;) {
    const short = bytes[at]! & 0x7f;
    const start = at + (short === 126 ? 3 : short === 127 ? 9 : 1);
    if (start > bytes.length) break;
    const length =
      short === 126 ? bytes.readUInt16BE(at + 1) : short === 127 ? Number(bytes.readBigUInt64BE(at + 1)) : short;
    if (length === 0 || length > MAX_BYTES) return { seen, failed: true };
    if (start + length > bytes.length) break;
    const payload = bytes.subarray(start, start + length);
    seen.push(bytes[at]! & 0x80 ? payload : payload.toString());
    at = start + length;
  }
  return { seen, failed: false };
}

/** What a decoder has in hand. */
interface Held {
  chunks: Buffer[];
  bytes: number;
}

/** Called for each piece, for which matchers are too slow. */
function checkBounded(decoder: unknown, most: number, maxChunks: number): void {
  const { chunks, bytes } = decoder as Held;
  const there = chunks.reduce((sum, { length }) => sum + length, 0);
  if (there === bytes && bytes <= most && chunks.length <= maxChunks) return;
  throw new Error(`it counts ${bytes} bytes, and has ${there} in ${chunks.length} chunks`);
}

function pushDraft(pieces: readonly Buffer[], maxChunks = 1_000): Read & { problem: string | null } {
  const seen: unknown[] = [];
  const parser = new DraftParser(MAX_BYTES, maxChunks, {
    text: (bytes) => seen.push(bytes.toString()),
    close: () => seen.push('CLOSE'),
  });
  let problem: string | null = null;
  for (const piece of pieces) {
    const told = parser.push(piece);
    // it is told once, and then nothing is read any more
    if (problem !== null && told !== null) throw new Error(`it has told ${problem}, and then ${told}`);
    problem ??= told;
    checkBounded(parser, problem === null ? MAX_BYTES : 0, maxChunks);
  }
  return { seen, failed: problem !== null, problem };
}

function pushWebTransport(pieces: readonly Buffer[], maxChunks = 1_000): Read & { problem: string | null } {
  const seen: unknown[] = [];
  const decoder = new FrameDecoder(MAX_BYTES, maxChunks);
  for (const piece of pieces) {
    try {
      decoder.push(piece, (frame) => seen.push(frame));
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      return { seen, failed: true, problem: (error as Error).message };
    }
    checkBounded(decoder, MAX_BYTES + 8, maxChunks);
  }
  return { seen, failed: false, problem: null };
}

describe.each([
  ['draft 76', readDraft, pushDraft, (text: string) => encodeDraftText(text)],
  ['WebTransport', readWebTransport, pushWebTransport, frameOf],
])('the decoder of %s', (_name, read, push, encode) => {
  it('reads whatever it is given as if it were there at once, and keeps one frame at most', () => {
    fc.assert(
      fc.property(almostFrames, cuts, (bytes, sizes) => {
        const { seen, failed } = push(cut(bytes, sizes));
        expect({ seen, failed }).toEqual(read(bytes));
      }),
      runs(600),
    );
  });

  it('reads what is right, in any pieces', () => {
    const texts = fc.array(wellFormedText.filter((text) => text !== '' && Buffer.byteLength(text) <= MAX_BYTES));
    fc.assert(
      fc.property(texts, cuts, (all, sizes) => {
        const bytes = Buffer.concat(all.map((text) => encode(text)));
        expect(push(cut(bytes, sizes))).toEqual({ seen: all, failed: false, problem: null });
      }),
      runs(300),
    );
  });

  it('reads right frames of which bytes were changed, lost or added', () => {
    const change = fc.record({
      at: fc.nat({ max: 60 }),
      take: fc.nat({ max: 3 }),
      put: fc.array(fc.constantFrom(0, 1, 0x7e, 0x7f, 0x80, 0xfe, 0xff), { maxLength: 3 }),
    });
    fc.assert(
      fc.property(fc.array(wellFormedText), fc.array(change, { maxLength: 3 }), cuts, (all, changes, sizes) => {
        const bytes = Array.from(Buffer.concat(all.map((text) => encode(text))));
        for (const { at, take, put } of changes) bytes.splice(at, take, ...put);
        const { seen, failed } = push(cut(Buffer.from(bytes), sizes));
        expect({ seen, failed }).toEqual(read(Buffer.from(bytes)));
      }),
      runs(400),
    );
  });

  it('takes few chunks for one frame, whatever it is given', () => {
    fc.assert(
      fc.property(almostFrames, cuts, fc.integer({ min: 1, max: 6 }), (bytes, sizes, maxChunks) => {
        const { seen, failed, problem } = push(cut(bytes, sizes), maxChunks);
        const whole = read(bytes);
        // it may give up earlier, and for this reason alone
        if (problem?.includes('chunks')) expect(whole.seen.slice(0, seen.length)).toEqual(seen);
        else expect({ seen, failed }).toEqual(whole);
      }),
      runs(300),
    );
  });
});
