import { describe, expect, it } from '@jest/globals';
import type { IncomingMessage } from 'node:http';
import { CountWindow, endToEnd, RELAY_HEADER, Signatures } from '../../lib/scale-out/signature.js';
import { SECRET } from './support.js';

const FACTS = { address: '192.0.2.7', isOriginAllowed: true };
const REQUEST = { method: 'POST', url: '/socket.io/?sid=x', headers: ['Host', 'a', 'Cookie', 'b=c'] };

/** A request as the owner's node would see it. */
function arrived(signature: string | undefined, changes: Partial<typeof REQUEST> = {}): IncomingMessage {
  const { method, url, headers } = { ...REQUEST, ...changes };
  const signed = signature === undefined ? {} : { [RELAY_HEADER]: signature };
  return {
    method,
    url,
    rawHeaders: [...headers, RELAY_HEADER, signature, 'Connection', 'keep-alive'],
    headers: signed,
  } as unknown as IncomingMessage;
}

describe('a forwarded request', () => {
  const sender = new Signatures('sender--', SECRET);
  const sign = (facts = FACTS): string => sender.sign('owner---', REQUEST, '0|/socket.io', facts);
  const owner = (): Signatures => new Signatures('owner---', SECRET);

  it('says who sent it, for which server, and what was found out', () => {
    expect(owner().verify(arrived(sign()))).toEqual({ from: 'sender--', server: '0|/socket.io', ...FACTS });
    const facts = { address: 'fe80::1%eth 0', isOriginAllowed: false };
    expect(owner().verify(arrived(sign(facts)))).toMatchObject(facts);
  });

  it.each([
    ['another method', { method: 'GET' }],
    ['another target', { url: '/socket.io/?sid=y' }],
    ['another header', { headers: ['Host', 'a', 'Cookie', 'b=d'] }],
    ['one header more', { headers: [...REQUEST.headers, 'X-A', 'b'] }],
    ['one header less', { headers: ['Host', 'a'] }],
    ['headers in another order', { headers: ['Cookie', 'b=c', 'Host', 'a'] }],
  ])('with %s is refused', (_what, changes) => {
    expect(owner().verify(arrived(sign(), changes))).toBeUndefined();
  });

  it.each([
    ['no signature', () => undefined],
    ['an empty one', () => ''],
    ['nonsense', () => 'a b c d e f'],
    ['only the mac', () => sign().split(' ').at(-1)],
    ['no mac', () => sign().split(' ').slice(0, -1).join(' ')],
    ['a shorter mac', () => sign().slice(0, -1)],
    ['another sender', () => sign().replace('sender--', 'another-')],
    ['the origin let in', () => sign({ ...FACTS, isOriginAllowed: false }).replace('unproven', 'allowed')],
    ['another address', () => sign().replace('192.0.2.7', '192.0.2.8')],
    ['another secret', () => new Signatures('sender--', 'x').sign('owner---', REQUEST, '0|/socket.io', FACTS)],
    ['another owner', () => sender.sign('other---', REQUEST, '0|/socket.io', FACTS)],
  ])('with %s is refused', (_what, make) => {
    expect(owner().verify(arrived(make()))).toBeUndefined();
  });

  it('is taken once', () => {
    const at = owner();
    const signature = sign();
    expect(at.verify(arrived(signature))).toBeDefined();
    expect(at.verify(arrived(signature))).toBeUndefined();
    expect(at.verify(arrived(sign()))).toBeDefined();
  });

  it('is not taken again when its sender was away in the meantime; what the sender sends then is', () => {
    const at = owner();
    const early = sign();
    const signature = sign();
    at.verify(arrived(signature));
    at.retire('sender--');
    expect(at.verify(arrived(signature))).toBeUndefined();
    expect(at.verify(arrived(early))).toBeUndefined();
    expect(at.verify(arrived(sign()))).toBeDefined();
  });

  it('does not count when its signature is wrong: nobody can use up the numbers of others', () => {
    const at = owner();
    const signature = sign();
    expect(at.verify(arrived(signature, { url: '/' }))).toBeUndefined();
    expect(at.verify(arrived(signature))).toBeDefined();
  });
});

describe('headers that are forwarded', () => {
  it('are all but those of the connection, as they were written', () => {
    expect(
      endToEnd(
        (
          'hOST a Connection upgrade Upgrade websocket Keep-Alive x TE trailers Transfer-Encoding chunked ' +
          'X-Two 1 X-Two 2 Proxy-Authorization x Nestwire-Relay made-up'
        ).split(' '),
      ),
    ).toEqual(['hOST', 'a', 'X-Two', '1', 'X-Two', '2']);
  });
});

describe('numbers of requests', () => {
  it('are taken once, in any order within some thousands', () => {
    const window = new CountWindow();
    expect([3, 1, 2].map((count) => window.take(count))).toEqual([true, true, true]);
    expect([1, 2, 3].map((count) => window.take(count))).toEqual([false, false, false]);
    expect(window.take(5000)).toBe(true);
    expect(window.take(5000 - 4096)).toBe(false);
    expect(window.take(5000 - 4095)).toBe(true);
    expect(window.take(5000 - 4095)).toBe(false);
  });

  it.each([0, -1, 1.5, NaN, Infinity, 2 ** 53])('are not %d', (count) => {
    expect(new CountWindow().take(count)).toBe(false);
  });

  it('take no more memory however many there were', () => {
    const window = new CountWindow();
    for (let count = 1; count <= 20_000; count++) window.take(count);
    expect((window as unknown as { seen: Set<number> }).seen.size).toBeLessThanOrEqual(4096);
    window.take(1e12);
    expect((window as unknown as { seen: Set<number> }).seen.size).toBe(1);
  });
});
