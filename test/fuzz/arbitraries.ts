import * as fc from 'fast-check';
import type { Packet, PacketType } from '../../lib/engine/protocol/packet.js';

/** How often a property is tried. NESTWIRE_FUZZ=50 in the environment makes it fifty times as often, for a long search. */
export function runs(usual: number): { numRuns: number } {
  return { numRuns: usual * Number(process.env.NESTWIRE_FUZZ ?? 1) };
}

/** The time such a search may take, in milliseconds. */
export const SEARCH_TIMEOUT = 60_000 * Number(process.env.NESTWIRE_FUZZ ?? 1);

/** Text as applications send it: any code unit, half a surrogate pair included; never the separator of payloads. */
export const anyText = fc
  .oneof(
    fc.string({ unit: 'grapheme' }),
    fc.string({ unit: 'binary' }),
    fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
    fc.constantFrom('b', 'bAQID', '4', '0', '6:4hello', '\0', '\u2028', '\ufeff', '€'.repeat(70), 'x'.repeat(130)),
  )
  .map((text) => text.replaceAll('\x1e', '-'));

/** Text that UTF-8 can carry. */
export const wellFormedText = anyText.map((text) => text.replace(/\p{Surrogate}/gu, '\ufffd'));

export const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));

const TYPES: PacketType[] = ['open', 'close', 'ping', 'pong', 'message', 'upgrade', 'noop'];

function textPacket(text: fc.Arbitrary<string>): fc.Arbitrary<Packet> {
  return fc.oneof(
    fc.record({ type: fc.constantFrom(...TYPES), data: text }),
    fc.record({ type: fc.constantFrom(...TYPES) }),
  );
}

/** A packet that revision 4 can carry: binary is always a message there. */
export const packet: fc.Arbitrary<Packet> = fc.oneof(
  { weight: 3, arbitrary: textPacket(wellFormedText) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant<PacketType>('message'), data: bytes }) },
);

/** A packet that revision 3 can carry. */
export const packetV3: fc.Arbitrary<Packet> = fc.oneof(
  { weight: 3, arbitrary: textPacket(wellFormedText) },
  { weight: 1, arbitrary: fc.record({ type: fc.constantFrom(...TYPES), data: bytes }) },
);

export const packets = fc.array(packet, { minLength: 1, maxLength: 12 });
export const packetsV3 = fc.array(packetV3, { minLength: 1, maxLength: 12 });

/** Bodies that look like payloads of revision 3 without being any. */
export const almostTextPayload = fc
  .array(
    fc.oneof(
      fc.nat({ max: 12 }).map(String),
      fc.constantFrom(':', '4', 'b4', '2:4x', '3:4€x', '00', '1e1', '0x2', '-1', ' ', '99999999999', '\x1e'),
      anyText,
    ),
    { maxLength: 10 },
  )
  .map((parts) => parts.join(''));

export const almostBinaryPayload = fc
  .array(
    fc.oneof(
      fc.constantFrom([0, 255], [1, 255], [0, 2, 255, 0x34, 0x78], [1, 2, 255, 4, 7], [255], [0, 9, 9, 9, 255], [2]),
      fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 6 }),
    ),
    { maxLength: 8 },
  )
  .map((parts) => Buffer.from(parts.flat()));

/** Bytes that look like frames of some WebSocket before RFC 6455, or of WebTransport: what begins and ends them is frequent. */
export const almostFrames = fc
  .array(
    fc.oneof(
      fc.constantFrom([0], [0xff], [0, 0x34, 0xff], [0xff, 0], [0x80], [1, 0x32], [0x02, 0x34, 0x78], [0x83, 1, 2, 3]),
      fc.constantFrom([0x7e, 0, 2, 0x34, 0x78], [0xfe, 0, 1], [0x7f, 0, 0, 0, 0, 0, 0, 0, 3], [0xff, 0xff, 0xff, 0xff]),
      fc.constantFrom([0, 0xe2, 0x82, 0xac, 0xff], [0x28], [0x29], [0x7e, 0, 0x28], [0x7e, 0, 0x29]),
      fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 6 }),
      fc.array(fc.constant(0x78), { minLength: 30, maxLength: 45 }),
    ),
    { maxLength: 14 },
  )
  .map((parts) => Buffer.from(parts.flat()));

/** Sizes of pieces. */
export const cuts = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 6 });

/** Cuts bytes into pieces of these sizes, again and again. */
export function cut(whole: Buffer, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0, i = 0; at < whole.length; i++) {
    const size = sizes[i % sizes.length]!;
    pieces.push(whole.subarray(at, at + size));
    at += size;
  }
  return pieces;
}
