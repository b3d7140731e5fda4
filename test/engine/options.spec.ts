import { describe, expect, it } from '@jest/globals';
import { Server } from 'engine.io';
import { resolveOptions, type EngineOptions } from '../../lib/engine/options.js';

describe('options', () => {
  it('has the defaults of Engine.IO where the option exists there', () => {
    const theirs = new Server().opts as Record<string, unknown>;
    const ours = resolveOptions({}) as unknown as Record<string, unknown>;
    // wsEngine: ours writes faster; transports: there are more of them
    const same = Object.keys(theirs).filter((name) => name !== 'wsEngine' && name !== 'transports');
    expect(same.length).toBeGreaterThan(7);
    for (const name of same) expect([name, ours[name]]).toEqual([name, theirs[name]]);
  });

  it('has the transports on that every browser can use', () => {
    expect(resolveOptions({}).transports).toEqual(['websocket', 'eventsource', 'polling']);
  });

  it('treats undefined as not given', () => {
    expect(resolveOptions({ pingTimeout: undefined, limits: { maxFragments: undefined } })).toEqual(resolveOptions({}));
  });

  it('fills in what an option leaves open', () => {
    expect(resolveOptions({ cookie: true }).cookie).toEqual({ name: 'io', path: '/', httpOnly: true, sameSite: 'lax' });
    expect(resolveOptions({ cookie: { name: 'sid', path: '/x' } }).cookie).toMatchObject({
      name: 'sid',
      path: '/x',
      httpOnly: true,
    });
    expect(resolveOptions({ perMessageDeflate: true }).perMessageDeflate).toEqual({ threshold: 1024 });
    expect(resolveOptions({ perMessageDeflate: { threshold: 5 } }).perMessageDeflate).toEqual({ threshold: 5 });
    expect(resolveOptions({ httpCompression: true }).httpCompression).toEqual({ threshold: 1024 });
    expect(resolveOptions({ httpCompression: false }).httpCompression).toBe(false);
    expect(resolveOptions({ httpCompression: { level: 9 } }).httpCompression).toEqual({ threshold: 1024, level: 9 });
  });

  it.each<[EngineOptions, string]>([
    [
      { transports: ['carrier-pigeon' as never] },
      'option "transports" names "carrier-pigeon", which this version does not have',
    ],
    [{ transports: ['__proto__' as never] }, 'names "__proto__"'],
    [{ transports: [] }, 'option "transports" must be a list'],
    [{ pingInterval: 0 }, 'option "pingInterval" must be a positive number'],
    [{ pingTimeout: Number.NaN }, 'option "pingTimeout" must be a positive number'],
    [{ upgradeTimeout: 2 ** 31 }, 'option "upgradeTimeout" must be at most 2147483647 ms'],
    [{ maxHttpBufferSize: -1 }, 'option "maxHttpBufferSize" must be a positive number'],
    [{ maxHttpBufferSize: '1mb' as never }, 'option "maxHttpBufferSize" must be a positive number'],
    [{ limits: { maxFragmants: 3 } as never }, 'option "limits.maxFragmants" does not exist'],
    [{ limits: { maxUnacknowledgedBytes: 65_536 } }, 'option "limits.maxUnacknowledgedBytes" must be at least 131072'],
    [{ recycleBytes: 0 }, 'option "recycleBytes" must be a positive number'],
    [{ recycleInterval: 2 ** 31 }, 'option "recycleInterval" must be at most 2147483647 ms'],
    [{ limits: { maxSessions: 0 } }, 'option "limits.maxSessions" must be a positive number'],
    [
      { limits: { maxSessionsPerAddress: 3 } },
      'option "limits.maxSessionsPerAddress" counts by client address and needs "trustProxy"',
    ],
    [{ limits: { maxHandshakesPerSecond: 3 } }, 'option "limits.maxHandshakesPerSecond" counts by client address'],
  ])('refuses %j at start', (options, message) => {
    expect(() => resolveOptions(options)).toThrow(message);
  });

  it('allows limits by address once trustProxy is stated, also as false', () => {
    const limits = { maxSessionsPerAddress: 3, maxHandshakesPerSecond: 4 };
    expect(resolveOptions({ limits, trustProxy: false }).limits).toMatchObject(limits);
  });
});
