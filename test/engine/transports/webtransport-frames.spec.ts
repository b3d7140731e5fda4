import { describe, expect, it } from '@jest/globals';
import { createPacketDecoderStream, createPacketEncoderStream } from 'engine.io-parser';
import { array, assert, asyncProperty, constantFrom, integer, oneof, string, uint8Array } from 'fast-check';
import { codecFor } from '../../../lib/engine/protocol/codec.js';
import {
  encodePackets,
  FrameDecoder,
  FrameError,
  type Frame,
} from '../../../lib/engine/transports/webtransport-frames.js';
import { cut } from '../../fuzz/arbitraries.js';

const codec = codecFor(4);
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

function decode(chunks: readonly Uint8Array[], maxPayload = 1_000_000, maxChunks = 1_000) {
  const frames: Frame[] = [];
  const decoder = new FrameDecoder(maxPayload, maxChunks);
  let problem: string | undefined;
  try {
    for (const chunk of chunks) decoder.push(chunk, (frame) => frames.push(frame));
  } catch (error) {
    expect(error).toBeInstanceOf(FrameError);
    problem = (error as Error).message;
  }
  return { frames, problem };
}

const message = (data: string | Buffer) => ({ type: 'message', data }) as const;

describe('frames of WebTransport', () => {
  it.each([
    ['a text', message('hello'), '06 34 68 65 6c 6c 6f'],
    ['a packet without data', { type: 'ping' } as const, '01 32'],
    ['binary', message(Buffer.from([1, 2, 3])), '83 01 02 03'],
    ['binary of no bytes, as text', message(Buffer.alloc(0)), '01 62'],
    ['two-byte characters', message('€'), '04 34 e2 82 ac'],
  ])('have %s as these bytes', (_what, packet, bytes) => {
    expect(encodePackets([packet], codec, true)).toEqual(hex(bytes));
  });

  it.each([
    [125, 'fd'],
    [126, 'fe 00 7e'],
    [65_535, 'fe ff ff'],
    [65_536, 'ff 00 00 00 00 00 01 00 00'],
  ])('of %i binary bytes begin with %s', (length, header) => {
    const bytes = encodePackets([message(Buffer.alloc(length, 7))], codec, true);
    expect(bytes).toEqual(Buffer.concat([hex(header), Buffer.alloc(length, 7)]));
    expect(decode([bytes]).frames).toEqual([Buffer.alloc(length, 7)]);
  });

  it('have binary as base64 for a client that takes none', () => {
    expect(encodePackets([message(Buffer.from([1, 2, 3]))], codec, false)).toEqual(hex('05 62 41 51 49 44'));
  });

  it.each([
    ['no bytes', '00', 'frame of no bytes'],
    ['no binary bytes', '80', 'frame of no bytes'],
    ['no bytes, by two', '7e 00 00', 'frame of no bytes'],
    ['too many bytes', '7e 03 e9', 'frame over 1000 bytes'],
    ['more bytes than a number can say', '7f ff ff ff ff ff ff ff ff', 'frame over 1000 bytes'],
  ])('are refused: %s, after what came before', (_what, bytes, problem) => {
    expect(decode([hex(`02 34 61 ${bytes}`)], 1_000)).toEqual({ frames: ['4a'], problem });
  });

  it('come in so many chunks, and no more', () => {
    const frame = hex('05 34 61 62 63 64');
    const drops = [...frame].map((byte) => Buffer.from([byte]));
    expect(decode(drops, 1_000, 5)).toEqual({ frames: ['4abcd'], problem: undefined });
    expect(decode(drops, 1_000, 4)).toEqual({ frames: [], problem: 'frame in more than 4 chunks' });
  });
});

const data = oneof(
  string({ unit: 'grapheme', maxLength: 300 }),
  uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  constantFrom('x'.repeat(126), 'x'.repeat(70_000), Buffer.alloc(65_536, 1)),
);
const sizes = array(integer({ min: 1, max: 5_000 }), { minLength: 1, maxLength: 5 });

describe('ours and those of engine.io-parser', () => {
  it('understand each other', async () => {
    await assert(
      asyncProperty(array(data, { minLength: 1, maxLength: 8 }), sizes, async (all, pieces) => {
        const packets = all.map(message);
        const stockDecoder = createPacketDecoderStream(1e9, 'nodebuffer');
        const writer = stockDecoder.writable.getWriter();
        const reader = stockDecoder.readable.getReader();
        const writing = (async () => {
          for (const chunk of cut(encodePackets(packets, codec, true), pieces)) await writer.write(chunk);
        })();
        for (const packet of packets) {
          const { value } = (await reader.read()) as { value: { data?: string | Buffer } };
          expect(typeof packet.data === 'string' ? (value.data ?? '') : Buffer.from(value.data!)).toEqual(packet.data);
        }
        await writing;

        const stockEncoder = createPacketEncoderStream();
        const from = stockEncoder.readable.getReader();
        const to = stockEncoder.writable.getWriter();
        const chunks: Buffer[] = [];
        const encoding = (async () => {
          for (const packet of packets) await to.write(packet);
          await to.close();
        })();
        for (;;) {
          const { done, value } = await from.read();
          if (done) break;
          chunks.push(Buffer.from(value as Uint8Array));
        }
        await encoding;
        const { frames, problem } = decode(cut(Buffer.concat(chunks), pieces), 1e9, 1e6);
        expect(problem).toBeUndefined();
        expect(frames.map((frame) => codec.decodePacket(frame).data ?? '')).toEqual(all);
      }),
      { numRuns: 60 },
    );
  });
});
