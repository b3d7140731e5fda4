import { describe, expect, it } from '@jest/globals';
import { Unacknowledged } from '../../../lib/engine/transports/unacknowledged.js';

function filled(count: number): Unacknowledged {
  const frames = new Unacknowledged();
  for (let i = 1; i <= count; i++) frames.push(Buffer.from(`frame ${i}`));
  return frames;
}

const shown = (frames: Unacknowledged) => frames.pending().map(String);

describe('Unacknowledged', () => {
  it('counts from 1 and keeps what is not confirmed, in order', () => {
    const frames = filled(3);
    expect([frames.first, frames.next, frames.bytes]).toEqual([1, 4, 21]);
    expect(frames.confirm(2)).toBe(true);
    expect([frames.first, frames.next, frames.bytes]).toEqual([3, 4, 7]);
    expect(shown(frames)).toEqual(['frame 3']);
    frames.push(Buffer.from('frame 4'));
    expect(shown(frames)).toEqual(['frame 3', 'frame 4']);
    expect(frames.confirm(4)).toBe(true);
    expect([frames.first, frames.next, frames.bytes, shown(frames)]).toEqual([5, 5, 0, []]);
  });

  it('takes a confirmation that is older than another one, or the same again', () => {
    const frames = filled(5);
    frames.confirm(4);
    for (const number of [4, 1, 0]) expect(frames.confirm(number)).toBe(true);
    expect(shown(frames)).toEqual(['frame 5']);
  });

  it.each([6, 7, -1, 1.5, Number.NaN, Infinity])('refuses %d of five, and keeps all', (number) => {
    const frames = filled(5);
    expect(frames.confirm(number)).toBe(false);
    expect(frames.pending()).toHaveLength(5);
  });

  it('stays right however far it runs', () => {
    const frames = new Unacknowledged();
    for (let i = 1; i <= 10_000; i++) {
      frames.push(Buffer.from(String(i)));
      if (i % 7 === 0) frames.confirm(i - (i % 50));
    }
    expect(frames.next).toBe(10_001);
    expect(shown(frames)).toEqual(Array.from({ length: 10_001 - frames.first }, (_, i) => String(frames.first + i)));
    expect(frames.bytes).toBe(shown(frames).join('').length);
  });

  it('holds nothing of what was confirmed', () => {
    const frames = filled(3);
    frames.confirm(2);
    const held = (frames as unknown as { frames: Buffer[] }).frames;
    expect(held.map(String).filter((text) => text !== '')).toEqual(['frame 3']);
  });

  it('lets go of everything', () => {
    const frames = filled(3);
    frames.clear();
    expect([frames.bytes, frames.pending(), frames.first, frames.next]).toEqual([0, [], 4, 4]);
  });
});
