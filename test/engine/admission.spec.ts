import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Admission, networkOf } from '../../lib/engine/admission.js';
import type { Refusal } from '../../lib/engine/errors.js';

const UNLIMITED = { maxSessions: Infinity, maxSessionsPerAddress: Infinity, maxHandshakesPerSecond: Infinity };

function refusal(run: () => void): string {
  try {
    run();
    return 'let in';
  } catch (error) {
    return `${(error as Refusal).status} ${(error as Refusal).context.name}`;
  }
}

describe('Admission', () => {
  beforeEach(() => void jest.useFakeTimers({ now: 1e6 }));
  afterEach(() => void jest.useRealTimers());

  it('lets everybody in without limits', () => {
    const admission = new Admission(UNLIMITED);
    for (let i = 0; i < 10_000; i++) expect(refusal(() => admission.checkHandshake('a', i))).toBe('let in');
  });

  it('limits sessions', () => {
    const admission = new Admission({ ...UNLIMITED, maxSessions: 2 });
    expect(refusal(() => admission.checkHandshake('a', 1))).toBe('let in');
    expect(refusal(() => admission.checkHandshake('a', 2))).toBe('503 maxSessions');
  });

  it('limits sessions of one address, and counts those that leave', () => {
    const admission = new Admission({ ...UNLIMITED, maxSessionsPerAddress: 2 });
    admission.enter('a');
    admission.enter('a');
    expect(refusal(() => admission.checkHandshake('a', 2))).toBe('503 maxSessionsPerAddress');
    expect(refusal(() => admission.checkHandshake('b', 2))).toBe('let in');
    admission.leave('a');
    expect(refusal(() => admission.checkHandshake('a', 2))).toBe('let in');
  });

  it('takes an IPv6 network for one address', () => {
    const admission = new Admission({ ...UNLIMITED, maxSessionsPerAddress: 2 });
    admission.enter('2001:db8::1');
    admission.enter('2001:db8::2');
    expect(refusal(() => admission.checkHandshake('2001:db8::abcd:3', 2))).toBe('503 maxSessionsPerAddress');
    expect(refusal(() => admission.checkHandshake('2001:db8:0:1::1', 2))).toBe('let in');
    admission.leave('2001:db8::1');
    expect(refusal(() => admission.checkHandshake('2001:db8::4', 2))).toBe('let in');
  });

  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0db8:0001:0002::', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:DB8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['', ''],
    ['no address', 'no address'],
  ])('counts %j as %j', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });

  it('limits handshakes of one address in a second', () => {
    const admission = new Admission({ ...UNLIMITED, maxHandshakesPerSecond: 3 });
    const results = Array.from({ length: 4 }, () => refusal(() => admission.checkHandshake('a', 0)));
    expect(results).toEqual(['let in', 'let in', 'let in', '429 maxHandshakesPerSecond']);
    expect(refusal(() => admission.checkHandshake('b', 0))).toBe('let in');
    jest.advanceTimersByTime(1001);
    expect(refusal(() => admission.checkHandshake('a', 0))).toBe('let in');
  });

  it('forgets addresses without sessions', () => {
    const admission = new Admission({ ...UNLIMITED, maxHandshakesPerSecond: 3 });
    admission.enter('stays');
    for (let i = 0; i < 100; i++) admission.checkHandshake(`10.0.0.${i}`, 0);
    jest.advanceTimersByTime(2000);
    admission.checkHandshake('later', 0);
    expect([...(admission as unknown as { addresses: Map<string, unknown> }).addresses.keys()]).toEqual([
      'stays',
      'later',
    ]);
  });
});
