import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { ByteQueue } from '../../../lib/client/flash/byte-queue.js';
import { sha1 } from '../../../lib/client/flash/sha1.js';
import { Upgrade } from '../../../lib/client/flash/upgrade.js';

const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));

/** The key of RFC 6455, 1.3: "dGhlIHNhbXBsZSBub25jZQ==", and what it is answered by. */
const RANDOM = bytes('the sample nonce');
const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';

const TARGET = { host: 'app.example:8080', path: '/socket.io/?EIO=4', origin: 'http://app.example', headers: {} };

const answer = (lines: readonly string[]): string => `${lines.join('\r\n')}\r\n\r\n`;

const GOOD = [
  'HTTP/1.1 101 Switching Protocols',
  'Upgrade: websocket',
  'Connection: Upgrade',
  `Sec-WebSocket-Accept: ${ACCEPT}`,
];

const upgrade = (changes = {}): Upgrade => new Upgrade({ ...TARGET, ...changes }, RANDOM);

describe('sha1', () => {
  it.each([
    '',
    'abc',
    'a'.repeat(55),
    'a'.repeat(56),
    'a'.repeat(63),
    'a'.repeat(64),
    'a'.repeat(119),
    'a'.repeat(1_000),
  ])('of %j is as node:crypto has it', (text) => {
    expect(Buffer.from(sha1(text)).toString('hex')).toBe(createHash('sha1').update(text).digest('hex'));
  });

  it('of any text is as node:crypto has it', () => {
    for (let i = 0; i < 200; i++) {
      const text = randomBytes(i).toString('base64');
      expect(Buffer.from(sha1(text)).toString('hex')).toBe(createHash('sha1').update(text).digest('hex'));
    }
  });
});

describe('ByteQueue', () => {
  it('gives bytes in any pieces', () => {
    const queue = new ByteQueue();
    for (const chunk of ['ab', '', 'cdef', 'g']) queue.push(bytes(chunk));
    const taken = [1, 0, 3, 3].map((count) => Buffer.from(queue.take(count)).toString());
    expect([...taken, queue.length]).toEqual(['a', '', 'bcd', 'efg', 0]);
  });
});

describe('the request', () => {
  it('asks for a WebSocket', () => {
    expect(upgrade({ headers: { 'X-Token': 'a' } }).request()).toBe(
      answer([
        'GET /socket.io/?EIO=4 HTTP/1.1',
        'Host: app.example:8080',
        'Upgrade: websocket',
        'Connection: Upgrade',
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
        'Sec-WebSocket-Version: 13',
        'Origin: http://app.example',
        'X-Token: a',
      ]),
    );
  });

  it('says nothing of an origin that there is not', () => {
    expect(upgrade({ origin: undefined }).request()).not.toContain('Origin');
  });

  it.each([
    { headers: { 'X-A': 'a\r\nX-B: b' } },
    { headers: { 'X-A\n': 'a' } },
    { headers: { 'X-A': '\0' } },
    { headers: { 'X-A': '\u010a' } },
    { path: '/x HTTP/1.1\r\nHost: other' },
  ])('cannot be another than it says: %j', (changes) => {
    expect(() => upgrade(changes).request()).toThrow('illegal character');
  });
});

describe('the answer', () => {
  it('of RFC 6455 (1.3) is taken, however it is cut, and what follows it given back', () => {
    const whole = bytes(`${answer(GOOD)}\x81\x01a`);
    for (let cut = 0; cut <= whole.length; cut++) {
      const one = upgrade();
      const rest = [...(one.push(whole.subarray(0, cut)) ?? [])];
      if (cut < answer(GOOD).length) rest.push(...one.push(whole.subarray(cut))!);
      expect(Buffer.from(rest).toString('latin1')).toBe(
        cut < answer(GOOD).length ? '\x81\x01a' : '\x81\x01a'.slice(0, cut - answer(GOOD).length),
      );
    }
  });

  it('may name its headers in any letters, and more connections', () => {
    const lines = [GOOD[0]!, 'UPGRADE: WebSocket', 'connection: keep-alive, Upgrade', `sec-websocket-accept:${ACCEPT}`];
    expect(upgrade().push(bytes(answer(lines)))).toHaveLength(0);
  });

  it.each([
    ['a refusal', ['HTTP/1.1 403 Forbidden'], 'the answer is 403'],
    ['no HTTP', ['+OK hello'], 'the answer is no HTTP'],
    ['another protocol', [GOOD[0]!, 'Upgrade: h2c', ...GOOD.slice(2)], 'not that of a WebSocket server'],
    ['another connection', [...GOOD.slice(0, 2), 'Connection: close', GOOD[3]!], 'not that of a WebSocket server'],
    ['an answer to another key', [...GOOD.slice(0, 3), 'Sec-WebSocket-Accept: AAAA'], 'not that of a WebSocket server'],
    ['no answer to the key', GOOD.slice(0, 3), 'not that of a WebSocket server'],
    ['an extension', [...GOOD, 'Sec-WebSocket-Extensions: permessage-deflate'], 'has an extension or a protocol'],
    ['a protocol', [...GOOD, 'Sec-WebSocket-Protocol: chat'], 'has an extension or a protocol'],
  ])('is none: %s', (_what, lines, problem) => {
    expect(() => upgrade().push(bytes(answer(lines)))).toThrow(problem);
  });

  it('has an end within 16 KiB, or is none', () => {
    const one = upgrade();
    expect(one.push(bytes('HTTP/1.1 101 x\r\n'))).toBeNull();
    expect(() => one.push(bytes(`X: ${'y'.repeat(16_384)}`))).toThrow('has no end');
  });
});
