import { describe, expect, it } from '@jest/globals';
import { DRAFT_CLOSE, DraftParser, encodeDraftText } from '../../../lib/engine/transports/websocket-draft-frames.js';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

function read(chunks: readonly Buffer[], maxBytes = 100, maxChunks = 100) {
  const seen: string[] = [];
  const parser = new DraftParser(maxBytes, maxChunks, {
    text: (bytes) => seen.push(bytes.toString()),
    close: () => seen.push('CLOSE'),
  });
  const problems = chunks.map((chunk) => parser.push(chunk)).filter((problem) => problem !== null);
  return { seen, problems };
}

describe('frames of draft 76', () => {
  it.each([
    ['Hello', '00 48 65 6c 6c 6f ff'],
    ['', '00 ff'],
    ['€😀', '00 e2 82 ac f0 9f 98 80 ff'],
    ['a\0b', '00 61 00 62 ff'],
  ])('have %j as %s', (text, bytes) => {
    expect(encodeDraftText(text)).toEqual(hex(bytes));
    expect(read([hex(bytes)])).toEqual({ seen: [text], problems: [] });
  });

  it('close by FF 00', () => {
    expect(DRAFT_CLOSE).toEqual(hex('ff 00'));
    expect(read([hex('00 61 ff ff 00 00 62 ff')])).toEqual({ seen: ['a', 'CLOSE'], problems: [] });
  });

  it('may end anywhere', () => {
    const bytes = hex('00 e2 82 ac ff 00 ff 00 61 62 ff ff 00');
    const whole = { seen: ['€', '', 'ab', 'CLOSE'], problems: [] };
    expect(read([...bytes].map((byte) => Buffer.from([byte])))).toEqual(whole);
    for (let cut = 0; cut <= bytes.length; cut++) {
      expect(read([bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual(whole);
    }
  });

  it.each([
    ['of another text type', '01 61 ff', 'frame of type 1, which is not text'],
    ['with a length', '80 01 61', 'frame of type 128, which is not text'],
    ['with a length that never ends', '80 ff ff ff ff ff ff ff ff ff', 'frame of type 128, which is not text'],
    ['of the closing type, with a length', 'ff 01 61', 'frame with a length, which is not text'],
    ['of the closing type, with a huge length', 'ff ff ff ff ff 7f', 'frame with a length, which is not text'],
  ])('%s are an error, after which nothing is read', (_which, bytes, problem) => {
    expect(read([hex('00 61 ff'), hex(bytes), hex('00 62 ff')])).toEqual({ seen: ['a'], problems: [problem] });
  });

  it('hold so many bytes, and no more', () => {
    const text = (length: number) => encodeDraftText('x'.repeat(length));
    expect(read([text(10)], 10).problems).toEqual([]);
    expect(read([text(11)], 10)).toEqual({ seen: [], problems: ['message over 10 bytes'] });
    // one that never ends is noticed before it does
    expect(read([hex('00'), Buffer.alloc(6, 'x'), Buffer.alloc(6, 'x')], 10).problems).toHaveLength(1);
    // each message for itself
    expect(read([text(10), text(10)], 10).seen).toHaveLength(2);
  });

  it('come in so many chunks, and no more', () => {
    const drops = Array.from({ length: 5 }, () => Buffer.from('x'));
    expect(read([hex('00'), ...drops, hex('ff')], 100, 5).seen).toEqual(['xxxxx']);
    expect(read([hex('00'), ...drops, hex('ff')], 100, 4)).toEqual({
      seen: [],
      problems: ['message in more than 4 chunks'],
    });
  });
});
