import { describe, expect, it } from '@jest/globals';
import { codecFor } from '../../../lib/engine/protocol/codec.js';
import { ERROR_PACKET, type Packet } from '../../../lib/engine/protocol/packet.js';

const hex = (bytes: Buffer | string) => Buffer.from(bytes as string).toString('hex');

describe('codec, protocol revision 4', () => {
  const codec = codecFor(4);

  it.each<[Packet, string]>([
    [{ type: 'open', data: '{"sid":"a"}' }, '0{"sid":"a"}'],
    [{ type: 'close' }, '1'],
    [{ type: 'ping', data: 'probe' }, '2probe'],
    [{ type: 'pong' }, '3'],
    [{ type: 'message', data: '' }, '4'],
    [{ type: 'message', data: 'hé€😀' }, '4hé€😀'],
    [{ type: 'upgrade' }, '5'],
    [{ type: 'noop' }, '6'],
  ])('writes %j as %j', (packet, wire) => {
    expect(codec.encodePacket(packet, true)).toBe(wire);
  });

  it('writes binary raw where the transport can, and as base64 after "b" where it cannot', () => {
    const packet: Packet = { type: 'message', data: Buffer.from([1, 2, 3, 255]) };
    expect(hex(codec.encodePacket(packet, true))).toBe('010203ff');
    expect(codec.encodePacket(packet, false)).toBe('bAQID/w==');
  });

  it('takes every kind of binary data, and only the viewed part of a view', () => {
    const bytes = Uint8Array.from([9, 1, 2, 3, 9]);
    const view = bytes.subarray(1, 4);
    for (const data of [view, Buffer.from(view), new DataView(bytes.buffer, 1, 3), view.slice().buffer]) {
      expect(hex(codec.encodePacket({ type: 'message', data }, true))).toBe('010203');
    }
  });

  it('joins a payload with 0x1E and no length', () => {
    const packets: Packet[] = [
      { type: 'message', data: 'a' },
      { type: 'message', data: Buffer.from([1]) },
      { type: 'ping' },
    ];
    expect(hex(codec.encodePayload(packets, true))).toBe(hex('4a\x1ebAQ==\x1e2'));
    expect(codec.encodePayload([], true)).toBe('');
  });

  it('reads what it writes', () => {
    expect(codec.decodePacket('4hé')).toEqual({ type: 'message', data: 'hé' });
    expect(codec.decodePacket('2')).toEqual({ type: 'ping' });
    expect(codec.decodePacket(Buffer.from([1, 2]))).toEqual({ type: 'message', data: Buffer.from([1, 2]) });
    expect(codec.decodePacket('bAQI=')).toEqual({ type: 'message', data: Buffer.from([1, 2]) });
    expect(codec.decodePayload('4a\x1ebAQ==\x1e2')).toEqual([
      { type: 'message', data: 'a' },
      { type: 'message', data: Buffer.from([1]) },
      { type: 'ping' },
    ]);
  });

  it.each(['', 'x', '9', '__proto__', 'constructor'])('makes an error packet of %j', (wire) => {
    expect(codec.decodePacket(wire)).toEqual(ERROR_PACKET);
  });

  it('stops at the first packet that it cannot read', () => {
    expect(codec.decodePayload('4a\x1e\x1e4b')).toEqual([{ type: 'message', data: 'a' }, ERROR_PACKET]);
    expect(codec.decodePayload('')).toEqual([ERROR_PACKET]);
    expect(codec.decodePayload(Buffer.from('4a'))).toEqual([ERROR_PACKET]);
  });
});

describe('codec, protocol revision 3', () => {
  const codec = codecFor(3);

  it('gives binary its type: a byte where it travels raw, a digit where it is base64', () => {
    const packet: Packet = { type: 'message', data: Buffer.from([1, 2, 3]) };
    expect(hex(codec.encodePacket(packet, true))).toBe('04010203');
    expect(codec.encodePacket(packet, false)).toBe('b4AQID');
    expect(codec.encodePacket({ type: 'ping', data: 'probe' }, true)).toBe('2probe');
    expect(codec.encodePacket({ type: 'pong' }, true)).toBe('3');
  });

  it('counts UTF-16 code units in a text payload', () => {
    const packets: Packet[] = [
      { type: 'message', data: 'hello' },
      { type: 'message', data: '€😀' },
    ];
    expect(codec.encodePayload(packets, true)).toBe('6:4hello4:4€😀');
    expect(codec.decodePayload('6:4hello4:4€😀')).toEqual(packets);
  });

  it('writes an empty payload as "0:", and reads it as nothing', () => {
    expect(codec.encodePayload([], true)).toBe('0:');
    expect(codec.decodePayload('0:')).toEqual([]);
  });

  it('counts bytes in a binary payload', () => {
    const packets: Packet[] = [
      { type: 'message', data: '€' },
      { type: 'message', data: Buffer.from([1, 2, 3]) },
    ];
    // 00 = text, 04 = four bytes, ff; "4€" in UTF-8 · 01 = binary, 04 bytes, ff; type 4 and the data
    expect(hex(codec.encodePayload(packets, true))).toBe('0004ff34e282ac0104ff04010203');
    expect(codec.decodePayload(Buffer.from('0004ff34e282ac0104ff04010203', 'hex'))).toEqual(packets);
    const long: Packet[] = [{ type: 'message', data: Buffer.alloc(300, 7) }];
    expect(hex(codec.encodePayload(long, true)).slice(0, 12)).toBe('01030001ff04');
    expect(codec.decodePayload(codec.encodePayload(long, true))).toEqual(long);
  });

  it('writes binary as base64 in a text payload', () => {
    const packets: Packet[] = [{ type: 'message', data: Buffer.from([1, 2, 3]) }];
    expect(codec.encodePayload(packets, false)).toBe('6:b4AQID');
    expect(codec.decodePayload('6:b4AQID')).toEqual(packets);
  });

  it.each(['', 'a', '4', ':4', '-1:4', '1.0:4', '5:4', '1:9', '1:44', '0x1:4', '99999999999999999999:4', '1:x'])(
    'makes an error packet of the text payload %j',
    (body) => {
      expect(codec.decodePayload(body).at(-1)).toEqual(ERROR_PACKET);
    },
  );

  it.each([
    '',
    '00',
    '0001',
    '00ff',
    '0001ff',
    '0001ff34ff',
    '0201ff34',
    '0005ff34',
    '000aff34',
    '0101ff09',
    '01'.repeat(40),
  ])('makes an error packet of the binary payload %s', (body) => {
    expect(codec.decodePayload(Buffer.from(body, 'hex')).at(-1)).toEqual(ERROR_PACKET);
  });

  it('reads a megabyte of empty packets in linear time', () => {
    const body = '0:'.repeat(500_000);
    expect(codec.decodePayload(body)).toEqual([]);
    expect(codec.decodePayload('1'.repeat(1_000_000))).toEqual([ERROR_PACKET]);
  });
});
