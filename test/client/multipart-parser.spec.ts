import { describe, expect, it, jest } from '@jest/globals';
import { MultipartParser } from '../../lib/client/multipart-parser.js';

const encode = (text: string) => new TextEncoder().encode(text);

const join = (...pieces: (string | number[])[]) =>
  new Uint8Array(Buffer.concat(pieces.map((piece) => Buffer.from(piece as string))));

function parse(bytes: Uint8Array<ArrayBuffer>, size = bytes.length): unknown[] {
  const found: unknown[] = [];
  const parser = new MultipartParser('nestwire', {
    part: (type, body) => found.push([type, Buffer.from(body).toString('latin1')]),
    end: () => found.push('end'),
  });
  for (let at = 0; at < bytes.length; at += size) parser.push(bytes.subarray(at, at + size));
  return found;
}

const part = (type: string, length: number) =>
  `--nestwire\r\nContent-Type: ${type}\r\nContent-Length: ${length}\r\n\r\n`;

describe('MultipartParser', () => {
  it.each<[string, Uint8Array<ArrayBuffer>, unknown[]]>([
    ['a part', join('\r\n', part('text/plain', 5), 'hello\r\n'), [['text/plain', 'hello']]],
    [
      'parts and the end',
      join('\r\n', part('a/b', 1), 'x\r\n', part('c/d', 2), 'yz\r\n--nestwire--\r\n'),
      [['a/b', 'x'], ['c/d', 'yz'], 'end'],
    ],
    ['the end alone', join('\r\n--nestwire--\r\n'), ['end']],
    ['nothing after the end', join('--nestwire--\r\n', part('a/b', 1), 'x\r\n'), ['end']],
    ['a preamble', join('some words\r\n\r\n', part('a/b', 1), 'x'), [['a/b', 'x']]],
    [
      'an empty part',
      join(part('a/b', 0), '\r\n', part('a/b', 1), 'x'),
      [
        ['a/b', ''],
        ['a/b', 'x'],
      ],
    ],
    [
      'every byte, the boundary among them',
      join(part('a/b', 276), [...Array(256).keys()], '\r\n--nestwire--\r\n[]\r\n', '--nestwire--\r\n'),
      [['a/b', String.fromCharCode(...Array(256).keys()) + '\r\n--nestwire--\r\n[]\r\n'], 'end'],
    ],
    ['half a character', join(part('a/b', 2), 'ä', '\r\n'), [['a/b', '\xc3\xa4']]],
    [
      'headers in any case and order, and others',
      join('--nestwire\r\nX: y\r\ncontent-LENGTH:  1 \r\nContent-type:a/b; c=d\r\n\r\nx'),
      [['a/b; c=d', 'x']],
    ],
    [
      'bare line feeds',
      join('--nestwire\nContent-Type: a/b\nContent-Length: 1\n\nx\n--nestwire--\n'),
      [['a/b', 'x'], 'end'],
    ],
    ['nothing of a part that did not end', join(part('a/b', 3), 'xy'), []],
  ])('reads %s', (_, bytes, found) => {
    for (let size = 1; size <= bytes.length; size++) expect(parse(bytes, size)).toEqual(found);
  });

  it.each([
    ['a part without a length', '--nestwire\r\nContent-Type: a/b\r\n\r\n', 'without a length'],
    ['a length that is no number', '--nestwire\r\nContent-Length: -1\r\n\r\n', 'without a length'],
    ['a length over any that is sent', '--nestwire\r\nContent-Length: 100000000\r\n\r\n', 'without a length'],
    ['a part that is longer than it says', `${part('a/b', 1)}xyz\r\n`, 'no boundary'],
    ['headers without an end', `--nestwire\r\nX: ${'y'.repeat(5000)}`, 'over 4096 bytes'],
    ['many headers', `--nestwire\r\n${'X: y\r\n'.repeat(2000)}`, 'over 4096 bytes'],
  ])('refuses %s', (_, text, message) => {
    expect(() => parse(encode(text))).toThrow(message);
    expect(() => parse(encode(text), 7)).toThrow(message);
  });

  it('gives bytes that stay what they are when the chunk is used again', () => {
    const bytes = join(part('a/b', 2), 'xy\r\n');
    const bodies: Uint8Array[] = [];
    const parser = new MultipartParser('nestwire', { part: (_, body) => bodies.push(body), end: () => {} });
    parser.push(bytes);
    bytes.fill(0);
    expect(bodies[0]!.buffer.byteLength).toBe(2);
    expect(Buffer.from(bodies[0]!).toString()).toBe('xy');
  });

  it('searches and copies each byte once, however it is cut', () => {
    const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as Uint8Array;
    const search = jest.spyOn(typedArray, 'indexOf');
    const copy = jest.spyOn(typedArray, 'set');
    try {
      const body = 'x'.repeat(100_000);
      const one = join(part('a/b', body.length), body);
      const many = encode(`${part('a/b', 1)}x\r\n`.repeat(2000));
      search.mockClear();
      copy.mockClear();
      expect(parse(one, 16)).toEqual([['a/b', body]]);
      expect(parse(many, 65_536)).toHaveLength(2000);
      const searched = search.mock.calls.reduce((sum, [, from = 0], n) => {
        const found = search.mock.results[n]!.value as number;
        return sum + (found === -1 ? (search.mock.contexts[n] as Uint8Array).length : found) - from;
      }, 0);
      expect(searched).toBeLessThan(one.length - body.length + many.length);
      expect(copy.mock.calls.reduce((sum, [bytes]) => sum + bytes.length, 0)).toBe(body.length + 2000);
    } finally {
      jest.restoreAllMocks();
    }
  });
});
