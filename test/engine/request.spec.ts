import { describe, expect, it } from '@jest/globals';
import type { IncomingMessage } from 'node:http';
import { announcesBody, quoted, withQuery } from '../../lib/engine/request.js';

describe('a value of a client in a log line', () => {
  it.each<[string | undefined, string]>([
    ['https://app.example', '"https://app.example"'],
    [undefined, '"undefined"'],
    ['a\r\nWARN forged line', '"a\\r\\nWARN forged line"'],
    ['"quoted" \\ ', '"\\"quoted\\" \\\\ "'],
    ['\x1b[2J\x9b2J\x85', '"\\u001b[2J\\u009b2J\\u0085"'],
    ['\u202egnp.exe\u2028', '"\\u202egnp.exe\\u2028"'],
    ['\x7f', '"\\u007f"'],
    ['🫖', '"\\ud83e\\uded6"'],
  ])('%j is %s', (value, shown) => {
    expect(quoted(value)).toBe(shown);
  });

  it('is not long', () => {
    expect(quoted('x'.repeat(10_000))).toBe(`"${'x'.repeat(200)}\\u2026"`);
  });
});

describe('a request', () => {
  it.each<[Record<string, string>, boolean]>([
    [{}, false],
    [{ 'content-length': '0' }, false],
    [{ 'content-length': '1' }, true],
    [{ 'transfer-encoding': 'chunked' }, true],
  ])('with the headers %j announces a body: %p', (headers, announces) => {
    expect(announcesBody({ headers } as unknown as IncomingMessage)).toBe(announces);
  });

  it('cannot reach a prototype by its query', () => {
    const url = '/?__proto__=a&__proto__[polluted]=b&constructor=c&constructor.prototype.polluted=d&toString=e';
    const { _query: query } = withQuery({ url } as IncomingMessage);
    expect(Object.getPrototypeOf(query)).toBe(Object.prototype);
    expect(Object.keys(query)).toEqual([
      '__proto__[polluted]',
      'constructor',
      'constructor.prototype.polluted',
      'toString',
    ]);
    expect('polluted' in {}).toBe(false);
  });
});
