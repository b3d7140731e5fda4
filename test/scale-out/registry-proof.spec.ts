import { describe, expect, it } from '@jest/globals';
import { RegistryProof } from '../../lib/scale-out/registry-proof.js';
import { SECRET } from './support.js';

const asker = new RegistryProof(SECRET);
const other = new RegistryProof(SECRET);

describe('the proof that a node reaches the registry', () => {
  it('tells how old it is, and not less', () => {
    const challenge = asker.challenge();
    expect(asker.read(challenge, other.answer(challenge, 0))).toBe(0);
    expect(asker.read(challenge, other.answer(challenge, 1_234.2))).toBe(1_235);
  });

  it('answers one question', () => {
    const [first, second] = [asker.challenge(), asker.challenge()];
    expect(first).not.toBe(second);
    expect(asker.read(second, other.answer(first, 0))).toBeUndefined();
  });

  it('is none of another application, and cannot be changed', () => {
    const challenge = asker.challenge();
    expect(asker.read(challenge, new RegistryProof(`another ${SECRET}`).answer(challenge, 5))).toBeUndefined();
    const answer = other.answer(challenge, 5)!;
    expect(asker.read(challenge, answer.replace('5 ', '4 '))).toBeUndefined();
  });

  it.each([undefined, '', '5', '5 ', 'x y z', ['5 x']])('is not %j', (answer) => {
    expect(asker.read(asker.challenge(), answer)).toBeUndefined();
  });

  it.each([undefined, '', 'short', 'x'.repeat(23), 'with a space in the mid', ['x'.repeat(22)]])(
    'is not given to %j',
    (challenge) => {
      expect(other.answer(challenge, 0)).toBeUndefined();
    },
  );
});
