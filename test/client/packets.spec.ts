import { describe, expect, it } from '@jest/globals';
import { encodePacket, payloads, utf8Length } from '../../lib/client/packets.js';

describe('encodePacket', () => {
  it.each([
    ['close', undefined, '1'],
    ['pong', 'probe', '3probe'],
    ['upgrade', undefined, '5'],
    ['message', 'häl\x1elo', '4häl\x1elo'],
    ['message', '', '4'],
    ['message', Uint8Array.of(1, 2, 3, 4), 'bAQIDBA=='],
    ['message', Uint8Array.of(9, 1, 2, 3, 4, 9).subarray(1, 5), 'bAQIDBA=='],
    ['message', Uint8Array.of(1, 2, 3, 4).buffer, 'bAQIDBA=='],
    ['message', new DataView(Uint8Array.of(1, 2, 3, 4).buffer, 1, 2), 'bAgM='],
    ['message', Buffer.from([1, 2, 3, 4]), 'bAQIDBA=='],
    ['message', new Uint8Array(0), 'b'],
  ])('%s %p is %s', (type, data, encoded) => {
    expect(encodePacket({ type, data })).toBe(encoded);
  });

  it('waits for the bytes of a Blob', async () => {
    expect(await encodePacket({ type: 'message', data: new Blob([Uint8Array.of(1, 2, 3, 4)]) })).toBe('bAQIDBA==');
  });

  it('encodes many bytes', () => {
    const bytes = Buffer.alloc(1_000_000, 'abc');
    expect(encodePacket({ type: 'message', data: bytes })).toBe(`b${bytes.toString('base64')}`);
  });
});

describe('utf8Length', () => {
  it.each([
    '',
    'abc',
    'ä',
    '漢字',
    '🎉x',
    '\ud800',
    '\udc00',
    '\ud800a',
    'a\ud83c',
    '\ud800\ud83c\udf89',
    '\u07ff\u0800\uffff',
  ])('counts the bytes of %j', (text) => expect(utf8Length(text)).toBe(new TextEncoder().encode(text).length));
});

describe('payloads', () => {
  it('joins what fits', () => {
    expect(payloads(['4a', '4b', '4c'], 8)).toEqual(['4a\x1e4b\x1e4c']);
    expect(payloads(['4a', '4b', '4c'], 7)).toEqual(['4a\x1e4b', '4c']);
    expect(payloads(['4a', '4b', '4c'], 1)).toEqual(['4a', '4b', '4c']);
    expect(payloads([], 10)).toEqual([]);
  });

  it('counts bytes, not characters', () => {
    expect(payloads(['4ä', '4ä'], 7)).toEqual(['4ä\x1e4ä']);
    expect(payloads(['4ä', '4ä'], 6)).toEqual(['4ä', '4ä']);
  });

  it('leaves what is too large alone', () => {
    expect(payloads(['4a', `4${'x'.repeat(20)}`, '4b', '4c'], 10)).toEqual(['4a', `4${'x'.repeat(20)}`, '4b\x1e4c']);
  });

  it('never goes over the limit, and loses nothing', () => {
    const packets = Array.from({ length: 500 }, (_, n) => `4${'ä漢x🎉'.repeat(n % 9)}${n}`);
    const bodies = payloads(packets, 100);
    expect(bodies.flatMap((body) => body.split('\x1e'))).toEqual(packets);
    for (const body of bodies) expect(Buffer.byteLength(body)).toBeLessThanOrEqual(100);
  });
});
