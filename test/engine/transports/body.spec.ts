import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { Body } from '../../../lib/engine/transports/body.js';

describe('Body', () => {
  it('is empty at first', () => {
    const body = new Body();
    expect([body.length, body.bytes()]).toEqual([0, Buffer.alloc(0)]);
  });

  it('keeps a single chunk as it is', () => {
    const body = new Body();
    const chunk = Buffer.from('whole');
    body.append(chunk);
    expect(body.length).toBe(5);
    expect(body.bytes().buffer).toBe(chunk.buffer);
    expect(body.bytes()).toEqual(chunk);
  });

  it('is what came, however it was cut', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 60 }), (pieces) => {
        const body = new Body();
        const chunks = pieces.map((piece) => Buffer.from(piece));
        const copies = chunks.map((chunk) => Buffer.from(chunk));
        for (const chunk of chunks) body.append(chunk);
        expect(body.bytes()).toEqual(Buffer.concat(copies));
        expect(body.length).toBe(Buffer.concat(copies).length);
        // what the caller handed in is the caller's
        expect(chunks).toEqual(copies);
      }),
    );
  });

  it('takes no more than twice its bytes, in one piece', () => {
    const body = new Body();
    for (let i = 0; i < 100_000; i++) body.append(Buffer.from('x'));
    expect(body.bytes().length).toBe(100_000);
    expect(body.bytes().buffer.byteLength).toBeLessThanOrEqual(200_000);
  });
});
