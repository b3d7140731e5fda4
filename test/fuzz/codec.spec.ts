import { describe, expect, it } from '@jest/globals';
import { decodePacket, decodePayload, encodePacket, encodePayload } from 'engine.io-parser';
import * as fc from 'fast-check';
import { createRequire } from 'node:module';
import { codecFor } from '../../lib/engine/protocol/codec.js';
import type { Packet } from '../../lib/engine/protocol/packet.js';
import { decodePayload as decodeAsClient, encodePayload as encodeAsClient } from '../support/wire-codec.js';
import {
  almostBinaryPayload,
  almostTextPayload,
  anyText,
  bytes,
  packet,
  packets,
  packetsV3,
  packetV3,
  runs,
} from './arbitraries.js';

/** Parser of revision 3 that the stock server carries: not exported, but the reference for what clients understand. */
interface ParserV3 {
  encodePacket(packet: Packet, supportsBinary: boolean, callback: (encoded: string | Buffer) => void): void;
  encodePayload(packets: Packet[], supportsBinary: boolean, callback: (encoded: string | Buffer) => void): void;
  decodePacket(frame: string | Buffer): Packet;
  decodePayload(body: string | Buffer, callback: (packet: Packet) => void): void;
}

const require = createRequire(import.meta.url);
const stock3 = require(require.resolve('engine.io').replace(/engine\.io\.js$/, 'parser-v3/index.js')) as ParserV3;

const v4 = codecFor(4);
const v3 = codecFor(3);

/** An empty text and no text are the same on the wire. */
function normal({ type, data }: Packet): { type: string; data?: unknown } {
  return data === undefined || data === '' ? { type } : { type, data };
}

function expectPackets(actual: readonly Packet[], expected: readonly Packet[]): void {
  expect(actual.map(normal)).toEqual(expected.map(normal));
}

/** What every decoder owes, whatever it is given. */
function expectSane(decoded: Packet[], body: string | Buffer): void {
  expect(decoded.length).toBeLessThanOrEqual(body.length + 1);
  const errors = decoded.filter(({ type }) => type === 'error');
  expect(errors.length).toBeLessThanOrEqual(1);
  if (errors.length === 1) expect(decoded.at(-1)!.type).toBe('error');
}

describe('codec of revision 4', () => {
  it('reads what it writes, packet by packet', () => {
    fc.assert(
      fc.property(packet, fc.boolean(), (one, supportsBinary) => {
        expectPackets([v4.decodePacket(v4.encodePacket(one, supportsBinary))], [one]);
      }),
      runs(100),
    );
  });

  it('reads what it writes, payload by payload', () => {
    fc.assert(
      fc.property(packets, fc.boolean(), (list, supportsBinary) => {
        expectPackets(v4.decodePayload(v4.encodePayload(list, supportsBinary)), list);
      }),
      runs(100),
    );
  });

  it('writes what engine.io-parser writes', () => {
    fc.assert(
      fc.property(packets, fc.boolean(), (list, supportsBinary) => {
        encodePayload(list as never, (expected) => expect(v4.encodePayload(list, true)).toBe(expected));
        for (const one of list) {
          encodePacket(one as never, supportsBinary, (expected) =>
            expect(v4.encodePacket(one, supportsBinary)).toEqual(expected),
          );
        }
      }),
      runs(100),
    );
  });

  it('reads whatever it is given as engine.io-parser does, and never throws', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, almostTextPayload, fc.string()), (text) => {
        expect(v4.decodePacket(text)).toEqual(decodePacket(text));
        const decoded = v4.decodePayload(text);
        expect(decoded).toEqual(decodePayload(text));
        expectSane(decoded, text);
      }),
      runs(100),
    );
  });

  it('reads any binary frame as a message, and no binary body', () => {
    fc.assert(
      fc.property(bytes, (body) => {
        expect(v4.decodePacket(body)).toEqual({ type: 'message', data: body });
        expect(v4.decodePayload(body).map(({ type }) => type)).toEqual(['error']);
      }),
      runs(100),
    );
  });

  it('is understood by the client of these tests, and understands it', () => {
    fc.assert(
      fc.property(packets, (list) => {
        const body = v4.encodePayload(list, true) as string;
        expectPackets(decodeAsClient(Buffer.from(body), 'text/plain', 4) as Packet[], list);
        expectPackets(v4.decodePayload(encodeAsClient(list as never, 4, false)), list);
      }),
      runs(100),
    );
  });
});

describe('codec of revision 3', () => {
  it('reads what it writes, packet by packet', () => {
    fc.assert(
      fc.property(packetV3, fc.boolean(), (one, supportsBinary) => {
        expectPackets([v3.decodePacket(v3.encodePacket(one, supportsBinary))], [one]);
      }),
      runs(100),
    );
  });

  it('reads what it writes, payload by payload', () => {
    fc.assert(
      fc.property(packetsV3, fc.boolean(), (list, supportsBinary) => {
        expectPackets(v3.decodePayload(v3.encodePayload(list, supportsBinary)), list);
      }),
      runs(100),
    );
  });

  it('writes what the stock parser writes, surrogates out of pairs included', () => {
    const anyPackets = fc.array(
      fc.oneof(
        packetV3,
        anyText.map((data): Packet => ({ type: 'message', data })),
      ),
    );
    fc.assert(
      fc.property(anyPackets, fc.boolean(), (list, supportsBinary) => {
        stock3.encodePayload(list, supportsBinary, (expected) =>
          expect(v3.encodePayload(list, supportsBinary)).toEqual(expected),
        );
        for (const one of list) {
          stock3.encodePacket(one, supportsBinary, (expected) =>
            expect(v3.encodePacket(one, supportsBinary)).toEqual(expected),
          );
        }
      }),
      runs(100),
    );
  });

  it('is read by the stock parser, and reads it', () => {
    fc.assert(
      fc.property(packetsV3, fc.boolean(), (list, supportsBinary) => {
        const read: Packet[] = [];
        stock3.decodePayload(v3.encodePayload(list, supportsBinary), (one) => void read.push(one));
        expectPackets(read, list);
        stock3.encodePayload(list, supportsBinary, (body) => expectPackets(v3.decodePayload(body), list));
      }),
      runs(100),
    );
  });

  it('never throws, and takes nothing that the stock parser would read differently', () => {
    fc.assert(
      fc.property(fc.oneof(almostTextPayload, almostBinaryPayload, anyText, bytes), (body) => {
        const decoded = v3.decodePayload(body);
        expectSane(decoded, body);
        if (decoded.some(({ type }) => type === 'error')) return;
        const read: Packet[] = [];
        stock3.decodePayload(body, (one) => void read.push(one));
        expectPackets(decoded, read);
      }),
      runs(1_000),
    );
  });

  it('never throws on a frame, and takes nothing that the stock parser would read differently', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, bytes), (frame) => {
        const decoded = v3.decodePacket(frame);
        if (decoded.type !== 'error') expectPackets([decoded], [stock3.decodePacket(frame)]);
      }),
      runs(500),
    );
  });

  it('is understood by the client of these tests, and understands it', () => {
    fc.assert(
      fc.property(packetsV3, fc.boolean(), (list, supportsBinary) => {
        const body = v3.encodePayload(list, supportsBinary);
        const type = typeof body === 'string' ? 'text/plain' : 'application/octet-stream';
        expectPackets(decodeAsClient(Buffer.from(body as string), type, 3) as Packet[], list);
        expectPackets(v3.decodePayload(encodeAsClient(list as never, 3, !supportsBinary)), list);
      }),
      runs(100),
    );
  });

  it('takes time in proportion to the body', () => {
    const bodies = [
      '1:4'.repeat(333_333),
      '1'.repeat(1_000_000),
      '0:'.repeat(500_000),
      Buffer.alloc(1_000_000),
      Buffer.from('\x01\x01\xff\x04'.repeat(250_000), 'latin1'),
    ];
    const begun = performance.now();
    for (const body of bodies) v3.decodePayload(body);
    // what is quadratic takes minutes
    expect(performance.now() - begun).toBeLessThan(10_000);
  });
});
