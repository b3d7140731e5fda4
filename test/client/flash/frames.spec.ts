import { describe, expect, it } from '@jest/globals';
import { encodeFrame, FrameError, FrameParser, OPCODE } from '../../../lib/client/flash/frames.js';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const MASK = hex('37 fa 21 3d');

function read(chunks: readonly Uint8Array[], maxBytes = 1_000_000): { seen: unknown[]; code: number | undefined } {
  const seen: unknown[] = [];
  const parser = new FrameParser(maxBytes, {
    message: (data) => seen.push(typeof data === 'string' ? data : [...data]),
    ping: (payload) => seen.push(`ping ${toHex(payload)}`),
    close: (code) => seen.push(`close ${code}`),
  });
  try {
    for (const chunk of chunks) parser.push(chunk);
    return { seen, code: undefined };
  } catch (error) {
    return { seen, code: (error as FrameError).code };
  }
}

const ofBytes = (header: string, length: number): Uint8Array => {
  const frame = new Uint8Array(hex(header).length + length).fill(0x78);
  frame.set(hex(header));
  return frame;
};

describe('frames of a client', () => {
  it('are as RFC 6455 has them in its examples (5.7), masked', () => {
    expect(toHex(encodeFrame(OPCODE.TEXT, hex('48 65 6c 6c 6f'), MASK))).toBe('818537fa213d7f9f4d5158');
    expect(toHex(encodeFrame(OPCODE.PONG, hex('48 65 6c 6c 6f'), MASK))).toBe('8a8537fa213d7f9f4d5158');
  });

  it.each([
    [0, '8280'],
    [125, '82fd'],
    [126, '82fe007e'],
    [65_535, '82feffff'],
    [65_536, '82ff0000000000010000'],
  ])('of %i bytes begin with %s', (length, header) => {
    const frame = encodeFrame(OPCODE.BINARY, new Uint8Array(length), MASK);
    expect(toHex(frame.subarray(0, header.length / 2))).toBe(header);
    expect(toHex(frame.subarray(header.length / 2, header.length / 2 + 4))).toBe('37fa213d');
    expect(frame.length).toBe(header.length / 2 + 4 + length);
    // the mask over nothing is the mask
    expect(frame.subarray(header.length / 2 + 4).every((byte, i) => byte === MASK[i % 4])).toBe(true);
  });
});

describe('frames of a server', () => {
  it.each([
    ['text', '81 05 48 65 6c 6c 6f', ['Hello']],
    ['text of no bytes', '81 00', ['']],
    ['text with a byte order mark', '81 04 ef bb bf 61', ['\ufeffa']],
    ['binary', '82 03 00 ff 07', [[0, 255, 7]]],
    ['fragments', '01 03 48 65 6c 80 02 6c 6f', ['Hello']],
    ['a character in two fragments', '01 02 e2 82 80 01 ac', ['€']],
    ['a ping between fragments', '01 01 61 89 01 2a 00 01 62 80 01 63', ['ping 2a', 'abc']],
    ['a pong, which nobody asked for', '8a 01 2a 81 01 61', ['a']],
    ['two in a row', '81 01 61 82 01 62', ['a', [98]]],
    ['a close without a code', '88 00', ['close 1005']],
    ['a close with a code, and what comes after it', '88 02 03 e8 81 01 61', ['close 1000']],
    ['a length in two bytes that needs one', '81 7e 00 01 61', ['a']],
  ])('are read: %s, however they are cut', (_what, bytes, expected) => {
    const whole = hex(bytes);
    expect(read([whole])).toEqual({ seen: expected, code: undefined });
    expect(read([...whole].map((byte) => Uint8Array.of(byte))).seen).toEqual(expected);
  });

  it('have lengths of two and of eight bytes', () => {
    expect(read([ofBytes('81 7e 00 7e', 126)]).seen).toEqual(['x'.repeat(126)]);
    expect(read([ofBytes('81 7f 00 00 00 00 00 01 00 00', 65_536)]).seen).toEqual(['x'.repeat(65_536)]);
  });

  it.each([
    ['reserved bits', 'c1 01 61', 1002],
    ['a mask', '81 81 00 00 00 00 61', 1002],
    ['an unknown opcode', '83 00', 1002],
    ['an unknown control opcode', '8b 00', 1002],
    ['a ping in fragments', '09 00', 1002],
    ['a ping of 126 bytes', '89 7e 00 7e', 1002],
    ['a continuation of nothing', '80 01 61', 1002],
    ['a message within a message', '01 01 61 81 01 62', 1002],
    ['text that is not UTF-8', '81 01 ff', 1007],
    ['text that ends within a character', '81 02 e2 82', 1007],
    ['a message that is too large', '81 7e 03 e9', 1009],
    ['one that is larger than a number can say', '82 7f ff ff ff ff ff ff ff ff', 1009],
    ['fragments that are too large together', '01 7e 01 f4', undefined],
  ])('are refused: %s', (_what, bytes, code) => {
    expect(read([hex(bytes)], 1_000).code).toBe(code);
  });

  it('are counted over all fragments of a message, and anew with the next', () => {
    const half = ofBytes('01 7e 01 f4', 500);
    const rest = ofBytes('80 7e 01 f5', 501);
    expect(read([half, rest], 1_000).code).toBe(1009);
    const last = ofBytes('80 7e 01 f4', 500);
    expect(read([half, last, half, last], 1_000)).toMatchObject({ code: undefined, seen: { length: 2 } });
  });
});
