import { describe, expect, it } from '@jest/globals';
import type { Packet } from '../../../lib/engine/protocol/packet.js';
import type { Envelope } from '../../../lib/engine/transports/envelope.js';
import { eventSourceEnvelope } from '../../../lib/engine/transports/eventsource.js';
import { Framer, joinSmall } from '../../../lib/engine/transports/framer.js';
import { multipartEnvelope } from '../../../lib/engine/transports/multipart.js';
import { FakeRequest } from '../support.js';
import { htmlFileEnvelope, namesPage } from '../../../lib/engine/transports/htmlfile.js';
import {
  DocumentParser,
  EventStreamParser,
  MultipartParser,
  type StreamItem,
  type StreamParser,
} from '../../support/wire-parsers.js';

const GET = new FakeRequest('GET', {}, { origin: 'https://app.example' });

const text = (data: string): Packet => ({ type: 'message', data });

/** The bytes of frames, as Latin-1 so that every byte shows. */
function bytesOf(envelope: Envelope, packets: Packet[], supportsBinary = true): string {
  return Buffer.concat(envelope.frames(packets, supportsBinary)).toString('latin1');
}

const utf8 = (value: string): string => Buffer.from(value).toString('latin1');

describe('the envelope of eventsource', () => {
  const written = (...packets: Packet[]) => bytesOf(eventSourceEnvelope, packets);

  it('has a type, a first comment, a position and an end', () => {
    expect(eventSourceEnvelope.open(GET)).toEqual({
      headers: { 'Content-Type': 'text/event-stream; charset=UTF-8' },
      prelude: ':\n\n',
    });
    expect(eventSourceEnvelope.position(17)).toBe('event: seq\ndata: 17\n\n');
    expect(eventSourceEnvelope.end).toBe('event: end\ndata:\n\n');
  });

  it.each<[string, Packet[], string]>([
    ['a packet', [text('hello')], 'data: 4hello\n\n'],
    ['packets', [text('a'), { type: 'ping' }], 'data: 4a\x1e2\n\n'],
    ['an empty message', [text('')], 'data: 4\n\n'],
    ['spaces at both ends', [text(' x ')], 'data: 4 x \n\n'],
    ['a colon', [text(':x')], 'data: 4:x\n\n'],
    ['LF', [text('a\nb')], 'event: j\ndata: ["4a\\nb"]\n\n'],
    ['CR', [text('a\rb')], 'event: j\ndata: ["4a\\rb"]\n\n'],
    ['NUL', [text('a\0b')], 'event: j\ndata: ["4a\\u0000b"]\n\n'],
    ['the separator', [text('a\x1eb'), text('c')], 'event: j\ndata: ["4a\\u001eb","4c"]\n\n'],
    ['a lone surrogate', [text('a\ud83d')], 'event: j\ndata: ["4a\\ud83d"]\n\n'],
    ['a quote beside a line break', [text('"\n')], 'event: j\ndata: ["4\\"\\n"]\n\n'],
    ['line separators of Unicode', [text('\u2028\u2029\x85')], `data: 4${utf8('\u2028\u2029\x85')}\n\n`],
    ['a byte order mark', [text('\ufeff')], `data: 4${utf8('\ufeff')}\n\n`],
    ['an emoji', [text('🫖')], `data: 4${utf8('🫖')}\n\n`],
    ['markup', [text('</script><!--<script>')], 'data: 4</script><!--<script>\n\n'],
    ['binary', [text('a'), { type: 'message', data: Buffer.from([0, 10, 13, 255]) }], 'data: 4a\x1ebAAoN/w==\n\n'],
  ])('writes %s', (_what, packets, expected) => {
    expect(written(...packets)).toBe(expected);
  });
});

describe('the envelope of multipart', () => {
  const written = (packets: Packet[], supportsBinary = true) => bytesOf(multipartEnvelope, packets, supportsBinary);
  const part = (type: string, length: number, body: string) =>
    `--nestwire\r\nContent-Type: ${type}\r\nContent-Length: ${length}\r\n\r\n${body}\r\n`;
  const plain = (length: number, body: string) => part('text/plain; charset=UTF-8', length, body);
  const json = (length: number, body: string) => part('application/json', length, body);

  it('has a type with the boundary, an empty line, a position and the closing boundary', () => {
    expect(multipartEnvelope.open(GET)).toEqual({
      headers: {
        'Content-Type': 'multipart/x-mixed-replace; boundary=nestwire',
        'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
      },
      prelude: '\r\n',
    });
    expect(multipartEnvelope.position(8)).toBe(part('text/x-nestwire-seq', 1, '8'));
    expect(multipartEnvelope.end).toBe('--nestwire--\r\n');
  });

  it.each<[string, Packet[], string]>([
    ['a packet', [text('hello')], plain(6, '4hello')],
    ['packets', [text('a'), { type: 'ping' }], plain(4, '4a\x1e2')],
    ['CR, LF and NUL', [text('a\r\n\0')], plain(5, '4a\r\n\0')],
    ['more bytes than characters', [text('€')], plain(4, utf8('4€'))],
    ['the separator', [text('a\x1eb')], json(13, '["4a\\u001eb"]')],
    ['a lone surrogate', [text('\udc00')], json(11, '["4\\udc00"]')],
    ['its own boundary', [text('\r\n--nestwire--\r\n')], plain(17, '4\r\n--nestwire--\r\n')],
    ['line separators and a byte order mark', [text('\ufeff\u2028')], plain(7, utf8('4\ufeff\u2028'))],
    ['markup', [text('</script><!--<script>')], plain(22, '4</script><!--<script>')],
    [
      'binary between texts, raw and in order',
      [text('a'), { type: 'message', data: Buffer.from([0, 13, 10, 0x1e, 255]) }, text('b'), text('c')],
      plain(2, '4a') + part('application/octet-stream', 5, '\0\r\n\x1e\xff') + plain(5, '4b\x1e4c'),
    ],
    ['binary of no bytes', [{ type: 'message', data: new Uint8Array() }], part('application/octet-stream', 0, '')],
  ])('writes %s', (_what, packets, expected) => {
    expect(written(packets)).toBe(expected);
  });

  it('writes binary as base64 to a client that takes none', () => {
    expect(written([{ type: 'message', data: Buffer.from([255]) }, text('a')], false)).toBe(plain(8, 'b/w==\x1e4a'));
  });

  it('copies binary, which the application may change before the frame is sent again', () => {
    const data = Buffer.from([1, 2, 3]);
    const [frame] = multipartEnvelope.frames([{ type: 'message', data }], true);
    data.fill(9);
    expect(frame!.subarray(-5)).toEqual(Buffer.from([1, 2, 3, 13, 10]));
  });
});

describe('the envelope of htmlfile', () => {
  const written = (...packets: Packet[]) => bytesOf(htmlFileEnvelope, packets);
  const opened = (origin: string) => htmlFileEnvelope.open(new FakeRequest('GET', {}, { origin, x: '<evil>' }));

  it.each<[string, Packet[], string]>([
    ['a packet', [text('hello')], '["4hello"]'],
    ['packets', [text('a'), { type: 'ping' }], '["4a","2"]'],
    ['an empty message', [text('')], '["4"]'],
    ['CR, LF and NUL', [text('a\r\n\0')], '["4a\\r\\n\\u0000"]'],
    ['the separator', [text('a\x1eb')], '["4a\\u001eb"]'],
    ['lone surrogates', [text('\ud83d'), text('\udc00')], '["4\\ud83d","4\\udc00"]'],
    ['quotes', [text(`'"`)], '["4\\u0027\\""]'],
    ['entities', [text('&lt;&#39;')], '["4\\u0026lt;\\u0026#39;"]'],
    ['line separators', [text('\u2028\u2029')], '["4\\u2028\\u2029"]'],
    ['a byte order mark and an emoji', [text('\ufeff🫖')], utf8('["4\ufeff🫖"]')],
    ['markup', [text('</script><!--<script>')], '["4\\u003c/script\\u003e\\u003c!--\\u003cscript\\u003e"]'],
    [
      'an element of its own',
      [text("'><wbr data-e=''>")],
      '["4\\u0027\\u003e\\u003cwbr data-e=\\u0027\\u0027\\u003e"]',
    ],
    ['binary', [{ type: 'message', data: Buffer.from([0, 10, 13, 255]) }], '["bAAoN/w=="]'],
  ])('writes %s', (_what, packets, expected) => {
    expect(written(...packets)).toBe(`<wbr data-f='${expected}'>`);
  });

  it('has marks for a position and the planned end', () => {
    expect(htmlFileEnvelope.position(17)).toBe("<wbr data-n='17'>");
    expect(htmlFileEnvelope.end).toBe("<wbr data-e=''>");
  });

  it('opens with a document for one page, whose only script has a nonce of its own', () => {
    const { headers, prelude } = opened('https://app.example:8443');
    const policy = String(headers['Content-Security-Policy']);
    const [, nonce] = /script-src 'nonce-([A-Za-z0-9+/]{22}==)'/.exec(policy)!;
    expect(policy).toBe(
      `default-src 'none'; script-src 'nonce-${nonce}'; base-uri 'none'; form-action 'none'; frame-ancestors https://app.example:8443`,
    );
    expect(headers).toMatchObject({
      'Content-Type': 'text/html; charset=UTF-8',
      'Cross-Origin-Resource-Policy': 'cross-origin',
    });
    expect(prelude).toContain('postMessage(m,"https://app.example:8443")');
    expect(prelude.match(/<script/g)).toHaveLength(1);
    expect(prelude).toContain(`<script nonce="${nonce}">`);
    expect(prelude).not.toContain('evil');
    expect(opened('https://app.example').prelude).not.toContain(nonce);
  });

  it.each(['http://a.example', `https://${'a'.repeat(900)}.example`])('opens with 1 KB at least: %s', (origin) => {
    expect(opened(origin).prelude.length).toBeGreaterThanOrEqual(1024);
  });

  it.each(['https://app.example', 'http://127.0.0.1:3000', 'http://[::1]:80', 'https://xn--bcher-kva.example'])(
    'is for a page of %s',
    (origin) => expect(namesPage(new FakeRequest('GET', {}, { origin }))).toBe(true),
  );

  it.each([
    '',
    '*',
    'null',
    'https://app.example/',
    'https://app.example;script-src *',
    'https://app.example https://evil.example',
    'https://*.example',
    'https://user@app.example',
    'https://app.example\r\nx: y',
    'https://app.example\n',
    '"</script><script>',
    'javascript://app.example',
    'file://',
  ])('is for no page of %j', (origin) => {
    expect(namesPage(new FakeRequest('GET', {}, { origin }))).toBe(false);
  });
});

const hard = [
  'plain',
  '',
  'a\r\nb\rc\nd',
  'a\0b',
  'a\x1eb',
  '\u2028\u2029\x85',
  '\ud83d',
  '\udc00\ud83d',
  '\ufeffx',
  '🫖 čaj €',
  '</script><!--<script>',
  '\r\n--nestwire\r\n--nestwire--\r\n',
  'data: x\n\nevent: end\ndata:\n\n',
];

describe.each<[string, Envelope, () => StreamParser]>([
  ['eventsource', eventSourceEnvelope, () => new EventStreamParser()],
  ['multipart', multipartEnvelope, () => new MultipartParser()],
  ['htmlfile', htmlFileEnvelope, () => new DocumentParser()],
])('a response of %s', (_name, envelope, parser) => {
  const binary = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  const packets: Packet[] = [
    ...hard.map(text),
    { type: 'message', data: binary },
    ...hard.toReversed().map(text),
    { type: 'ping' },
  ];
  const expected = [...hard.map((one) => `4${one}`), binary, ...hard.toReversed().map((one) => `4${one}`), '2'];
  const bytes = Buffer.concat([
    Buffer.from(envelope.open(GET).prelude + envelope.position(41)),
    ...packets.flatMap((packet) => envelope.frames([packet], true)),
    ...envelope.frames(packets, true),
    Buffer.from(envelope.end),
  ]);

  it.each([1, 2, 3, 7, 64, 100_000])('is read whole and exactly from chunks of %d bytes', (size) => {
    const reader = parser();
    const items: StreamItem[] = [];
    for (let at = 0; at < bytes.length; at += size) items.push(...reader.push(bytes.subarray(at, at + size)));
    expect(items[0]).toEqual({ kind: 'position', next: 41 });
    expect(items.at(-1)).toEqual({ kind: 'end' });
    expect(reader.incomplete).toBe(0);
    const frames = items.slice(1, -1).flatMap((item) => (item.kind === 'frame' ? item.packets : [item.kind]));
    const read = frames.map((one) =>
      typeof one === 'string' && one.startsWith('b') ? Buffer.from(one.slice(1), 'base64') : one,
    );
    expect(read).toEqual([...expected, ...expected]);
  });
});

describe('Framer', () => {
  const framer = Framer.of(eventSourceEnvelope);
  const shown = (packets: Packet[]) => framer.frames(packets, true).map(String);
  const broadcast = (data: string): Packet => ({ type: 'message', data, options: { wsPreEncodedFrame: [] } });

  it('is one for each envelope', () => {
    expect(Framer.of(eventSourceEnvelope)).toBe(framer);
    expect(Framer.of(multipartEnvelope)).not.toBe(framer);
  });

  it('puts the packets of one write into one frame', () => {
    expect(shown([text('a'), text('b')])).toEqual(['data: 4a\x1e4b\n\n']);
  });

  it('makes no frame much longer than 64 KiB of several packets', () => {
    const packets = Array.from({ length: 100 }, () => text('x'.repeat(10_000)));
    const frames = framer.frames(packets, true);
    expect(frames.length).toBeGreaterThan(10);
    for (const frame of frames) expect(frame.length).toBeLessThan(80_000);
    expect(framer.frames([text('y'.repeat(1_000_000)), text('z')], true)).toHaveLength(2);
  });

  it('lets a close packet stay with what it follows, however long that is', () => {
    const frames = framer.frames([text('y'.repeat(100_000)), text('last'), { type: 'close' }], true);
    expect(frames).toHaveLength(2);
    expect(String(frames[1])).toBe('data: 4last\x1e1\n\n');
    expect(framer.frames([text('y'.repeat(100_000)), { type: 'close' }], true)).toHaveLength(1);
  });

  it('makes the bytes of a broadcast once, also among other packets', () => {
    const one = broadcast('to all');
    const [first] = framer.frames([one], true);
    const frames = framer.frames([text('a'), one, text('b'), text('c')], false);
    expect(frames.map(String)).toEqual(['data: 4a\n\n', 'data: 4to all\n\n', 'data: 4b\x1e4c\n\n']);
    expect(frames[1]).toBe(first);
  });

  it('does not share what is not the same for all: other options, binary', () => {
    const options = {};
    const [one] = framer.frames([{ type: 'message', data: 'a', options }], true);
    const [other] = framer.frames([{ type: 'message', data: 'b', options }], true);
    expect([String(one), String(other)]).toEqual(['data: 4a\n\n', 'data: 4b\n\n']);
    const multipart = Framer.of(multipartEnvelope);
    const packet: Packet = { type: 'message', data: Buffer.from([1]), options: { wsPreEncodedFrame: [] } };
    expect(String(multipart.frames([packet], true)[0])).toContain('octet-stream');
    expect(String(multipart.frames([packet], false)[0])).toContain('bAQ==');
  });
});

describe('joinSmall', () => {
  const small = (fill: number) => Buffer.alloc(1_000, fill);
  const large = Buffer.alloc(100_000, 7);

  it('leaves a single frame as it is', () => {
    const frames = [small(1)];
    expect(joinSmall(frames)).toBe(frames);
    expect(joinSmall([])).toEqual([]);
  });

  it('joins small frames and leaves large ones as they are, in order', () => {
    const chunks = joinSmall([small(1), small(2), large, small(3), large, large, small(4), small(5)]);
    expect(chunks.map((chunk) => chunk.length)).toEqual([2_000, 100_000, 1_000, 100_000, 100_000, 2_000]);
    expect(chunks[1]).toBe(large);
    expect(chunks[0]).toEqual(Buffer.concat([small(1), small(2)]));
    expect(chunks[5]).toEqual(Buffer.concat([small(4), small(5)]));
  });

  it('joins no more than 16 KiB', () => {
    const frames = Array.from({ length: 40 }, (_, i) => small(i));
    const chunks = joinSmall(frames);
    expect(Buffer.concat(chunks)).toEqual(Buffer.concat(frames));
    expect(chunks.map((chunk) => chunk.length)).toEqual([16_000, 16_000, 8_000]);
  });
});
