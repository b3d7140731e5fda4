import { describe, expect, it } from '@jest/globals';
import { SseParser } from '../../lib/client/sse-parser.js';

const encode = (text: string) => new TextEncoder().encode(text);

/** What a parser reads from bytes in pieces of a size. */
function parse(bytes: Uint8Array, size = bytes.length): [string, string][] {
  const events: [string, string][] = [];
  const parser = new SseParser((type, data) => events.push([type, data]));
  for (let at = 0; at < bytes.length; at += size) parser.push(bytes.subarray(at, at + size));
  return events;
}

describe('SseParser', () => {
  it.each<[string, string, [string, string][]]>([
    ['an event', 'data: a\n\n', [['message', 'a']]],
    ['its type', 'event: j\ndata: ["a"]\n\n', [['j', '["a"]']]],
    [
      'the type of one event only',
      'event: j\ndata: a\n\ndata: b\n\n',
      [
        ['j', 'a'],
        ['message', 'b'],
      ],
    ],
    ['several lines of data', 'data: a\ndata: b\ndata:\n\n', [['message', 'a\nb\n']]],
    [
      'one space after the colon, or none',
      'data:a\n\ndata:  b\n\n',
      [
        ['message', 'a'],
        ['message', ' b'],
      ],
    ],
    ['empty data', 'event: end\ndata:\n\n', [['end', '']]],
    ['no event without data', 'event: end\n\ndata: a\n\n', [['message', 'a']]],
    ['a field without a colon', 'data\n\n', [['message', '']]],
    ['comments', ':\n\n: hello\ndata: a\n:x\n\n', [['message', 'a']]],
    ['fields it does not know', 'id: 1\nretry: 5\nfoo: bar\ndata: a\n\n', [['message', 'a']]],
    [
      'CR and CRLF as line ends',
      'data: a\r\rdata: b\r\n\r\ndata: c\n\r\n',
      [
        ['message', 'a'],
        ['message', 'b'],
        ['message', 'c'],
      ],
    ],
    ['colons in data', 'data: a: b\n\n', [['message', 'a: b']]],
    [
      'separators of lines that are none here',
      'data: a\u2028b\u0085c\x0bd\x1ee\n\n',
      [['message', 'a\u2028b\u0085c\x0bd\x1ee']],
    ],
    ['characters of several bytes', 'data: ä漢🎉\n\n', [['message', 'ä漢🎉']]],
    [
      'a byte order mark at the beginning, and one later',
      '\ufeffdata: a\n\ndata: \ufeffb\n\n',
      [
        ['message', 'a'],
        ['message', '\ufeffb'],
      ],
    ],
    ['nothing of an event that did not end', 'data: a\n\ndata: b\n', [['message', 'a']]],
  ])('reads %s', (_, text, events) => {
    const bytes = encode(text);
    for (let size = 1; size <= bytes.length; size++) expect(parse(bytes, size)).toEqual(events);
  });

  it('takes time in proportion to what it reads, however it is cut', () => {
    const text = `data: ${'x'.repeat(2_000_000)}\n\n`;
    const began = performance.now();
    expect(parse(encode(text), 16)).toEqual([['message', text.slice(6, -2)]]);
    expect(parse(encode('data: y\n\n'.repeat(100_000)), 65_536)).toHaveLength(100_000);
    // quadratic work would take minutes
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  it('gives an endless event up', () => {
    const parser = new SseParser(() => {});
    const line = encode('x'.repeat(1 << 20));
    expect(() => {
      for (let megabytes = 0; megabytes < 65; megabytes++) parser.push(line);
    }).toThrow('event over');
  });
});
