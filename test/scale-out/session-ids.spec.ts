import { describe, expect, it } from '@jest/globals';
import { keyFor, newNodeId, SessionIds } from '../../lib/scale-out/session-ids.js';
import { SECRET } from './support.js';

const ids = new SessionIds('abcdefgh', SECRET);

describe('session ids of nodes', () => {
  it('name their node, are signed, and end with the id of the application', () => {
    // HKDF-SHA-256 and HMAC-SHA-256, so that every version of every node makes the same of the same
    expect(ids.make('session-1')).toBe('abcdefghR85PlHRE0HR_KhGKsession-1');
  });

  it('are read by every node that knows the secret', () => {
    const other = new SessionIds('ijklmnop', SECRET);
    expect(other.nodeOf(ids.make('x'))).toBe('abcdefgh');
    expect(other.nodeOf(other.make('ünï/code&?'))).toBe('ijklmnop');
  });

  it('mean nothing when they are made with another secret', () => {
    expect(ids.nodeOf(new SessionIds('abcdefgh', `${SECRET}!`).make('x'))).toBeUndefined();
  });

  it('mean nothing when any character is another', () => {
    const sid = ids.make('session-1');
    for (let i = 0; i < sid.length; i++) {
      const forged = `${sid.slice(0, i)}${sid[i] === 'A' ? 'B' : 'A'}${sid.slice(i + 1)}`;
      expect(ids.nodeOf(forged)).toBeUndefined();
    }
  });

  it.each(['', 'a', 'abcdefgh', 'x'.repeat(24), 'x'.repeat(25), '€'.repeat(30), '\0'.repeat(44)])(
    'are not what a client makes up: %j',
    (sid) => expect(ids.nodeOf(sid)).toBeUndefined(),
  );

  it('are not made of another purpose of the same secret', () => {
    expect(keyFor(SECRET, 'session ids')).not.toEqual(keyFor(SECRET, 'relay'));
  });

  it('have nodes that are told apart', () => {
    const made = new Set(Array.from({ length: 1000 }, newNodeId));
    expect(made.size).toBe(1000);
    for (const id of made) expect(id).toMatch(/^[\w-]{8}$/);
  });
});
