import { describe, expect, it } from '@jest/globals';
import type { Writable } from 'node:stream';
import * as ws from 'ws';
import { codecFor } from '../../../lib/engine/protocol/codec.js';
import type { Packet } from '../../../lib/engine/protocol/packet.js';
import { encodeFrames } from '../../../lib/engine/transports/websocket-frames.js';

// exported by ws, but not by its typings
const { Receiver } = ws as unknown as { Receiver: new (options: object) => Writable };

const codec = codecFor(4);
const message = (data: Packet['data'], options?: Packet['options']): Packet => ({ type: 'message', data, options });
const bytesOf = (packets: Packet[]) =>
  Buffer.concat(
    encodeFrames(packets, codec, true).map((chunk) =>
      typeof chunk === 'string' ? Buffer.from(chunk, 'latin1') : chunk,
    ),
  );

/** What a WebSocket client reads, by ws's own receiver. */
function received(bytes: Buffer): Promise<(string | Buffer)[]> {
  return new Promise((resolve, reject) => {
    const messages: (string | Buffer)[] = [];
    const receiver = new Receiver({ isServer: false, maxPayload: 1e8 });
    receiver.on('message', (data: Buffer, isBinary: boolean) => messages.push(isBinary ? data : data.toString()));
    receiver.on('error', reject);
    receiver.on('conclude', () => reject(new Error('a close frame')));
    receiver.write(bytes, () => resolve(messages));
  });
}

describe('WebSocket frames', () => {
  it.each<[string, Packet, string]>([
    ['short text', message('hi'), '8103346869'],
    ['an empty message', message(''), '810134'],
    ['a ping packet', { type: 'ping' }, '810132'],
    ['text beyond ASCII', message('é'), '810334c3a9'],
    ['binary', message(Buffer.from([1, 2])), '82020102'],
    ['empty binary', message(Buffer.alloc(0)), '8200'],
  ])('frames %s', (_what, packet, expected) => {
    expect(bytesOf([packet]).toString('hex')).toBe(expected);
  });

  it.each([
    [124, '817d'],
    [125, '817e007e'],
    [65_534, '817effff'],
    [65_535, '817f0000000000010000'],
  ])('writes the length of %d characters of text as %s', (length, header) => {
    for (const letter of ['a', 'é']) {
      const text = letter.repeat(letter === 'a' ? length : length / 2);
      if (letter === 'é' && length % 2 === 1) continue;
      const bytes = bytesOf([message(text)]);
      expect(bytes.subarray(0, header.length / 2).toString('hex')).toBe(header);
      expect(bytes.length).toBe(header.length / 2 + 1 + length);
    }
  });

  it.each([
    [125, '827d'],
    [126, '827e007e'],
    [65_535, '827effff'],
    [65_536, '827f0000000000010000'],
  ])('writes the length of %d bytes of binary as %s', (length, header) => {
    const bytes = bytesOf([message(Buffer.alloc(length, 1))]);
    expect(bytes.subarray(0, header.length / 2).toString('hex')).toBe(header);
    expect(bytes.length).toBe(header.length / 2 + length);
  });

  it('joins the packets of a tick into one chunk, in order, whatever they are', async () => {
    const data = [
      'a',
      'é€😀',
      Buffer.from([0, 255]),
      'b',
      'x'.repeat(200),
      Buffer.alloc(0),
      'ü'.repeat(40_000),
      '',
      'last',
    ];
    const chunks = encodeFrames(
      data.map((one) => message(one)),
      codec,
      true,
    );
    expect(encodeFrames([message('a'), message('b')], codec, true)).toEqual(['\x81\x024a\x81\x024b']);
    const whole = Buffer.concat(chunks.map((chunk) => Buffer.from(chunk as string, 'latin1')));
    const read = await received(whole);
    expect(read).toEqual(data.map((one) => (typeof one === 'string' ? `4${one}` : one)));
  });

  it('writes binary as base64 text for a client that asked for it', () => {
    expect(encodeFrames([message(Buffer.from([1, 2]))], codec, false)).toEqual(['\x81\x05bAQI=']);
  });

  it('does not copy large binary data', () => {
    const large = Buffer.alloc(200_000, 5);
    expect(encodeFrames([message(large)], codec, true)[1]).toBe(large);
    expect(encodeFrames([message('a'), message(large)], codec, true)).toContain(large);
  });

  it('writes lone surrogates as U+FFFD, as every UTF-8 encoder does, and the frame stays whole', async () => {
    expect(await received(bytesOf([message('a\ud800b'), message('next')]))).toEqual(['4a\ufffdb', '4next']);
  });

  it('joins the frame of a broadcast once for all sessions', () => {
    const options = { wsPreEncodedFrame: [Buffer.from([0x81, 2]), '4a'] };
    const [first] = encodeFrames([message('a', options)], codec, true);
    const [second] = encodeFrames([message('a', options)], codec, true);
    expect(first).toBe(second);
    expect((first as Buffer).toString('latin1')).toBe('\x81\x024a');
    expect(bytesOf([message('x'), message('a', options)]).toString('latin1')).toBe('\x81\x024x\x81\x024a');
  });
});
