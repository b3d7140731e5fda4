import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { connect, type Attempt, type ConnectOptions, type TriedEngine } from 'nestwire/client';
import { blockingProxy, type BlockingProxyOptions, type TestProxy } from 'nestwire/testing';
import type { Socket } from 'socket.io-client';
import { nextEvent, startLive, until, type Live } from './support.js';

/*
 * Tabs behind a network that does not answer WebSockets, in one process: each connection has a memory of its own, and they
 * share a storage, as tabs do. Every WebSocket that is opened there costs a connection in Firefox.
 */

const NO_TURN = 'another tab tried it';
const OTHER = [...Array(8).keys()].slice(1);

const page = globalThis as unknown as { location?: object; localStorage?: object };
let live: Live;
let proxy: TestProxy;
let clients: Socket[];
let stored: string | null;
/** WebSockets that were opened. */
let tried: number;
let isBlocking: boolean;

beforeAll(() => {
  page.location = { href: 'http://127.0.0.1/', protocol: 'http:', port: '' };
  // Node has one too, or warns of it
  Object.defineProperty(page, 'localStorage', {
    configurable: true,
    value: { getItem: () => stored, setItem: (_key: string, value: string) => (stored = value) },
  });
});

afterAll(() => {
  delete page.location;
  delete page.localStorage;
});

beforeEach(async () => {
  [clients, stored, tried, isBlocking] = [[], null, 0, true];
  live = await startLive();
});

afterEach(async () => {
  for (const client of clients) client.disconnect();
  await until(() => live.engine.clientsCount === 0, 'every session ended', 15_000);
  await proxy.close();
  await live.close();
}, 20_000);

async function startProxy(answer: BlockingProxyOptions['answer'] = 'nothing'): Promise<void> {
  const blocks: BlockingProxyOptions['blocks'] = ({ headers }) => {
    if (headers.upgrade === undefined) return false;
    tried++;
    return isBlocking;
  };
  proxy = await blockingProxy({ target: live.port, answer, blocks });
}

function open(options: ConnectOptions = {}): Socket {
  const client = connect(proxy.url, { forceNew: true, ...options });
  clients.push(client);
  return client;
}

async function openAll(count: number, options?: ConnectOptions): Promise<Socket[]> {
  const all = Array.from({ length: count }, () => open(options));
  await Promise.all(all.map((client) => nextEvent(client, 'connect')));
  return all;
}

const attempts = (client: Socket): readonly Attempt[] => (client.io.engine as unknown as TriedEngine).attempts;
const current = (client: Socket): string => client.io.engine.transport.name;
const by = (all: Socket[], name: string): Socket[] => all.filter((client) => current(client) === name);
const reasons = (all: Socket[], name: string): (string | undefined)[] =>
  all.flatMap((client) => attempts(client).filter(({ transport }) => transport === name)).map(({ reason }) => reason);
const failure = (): { times: number; until: number; isSilent: boolean } => JSON.parse(stored!).failures.websocket;

/** Has the tabs believe that a WebSocket was silent, until some milliseconds from now. */
function remember(milliseconds: number): void {
  const websocket = { times: 1, until: Date.now() + milliseconds, isSilent: true };
  stored = JSON.stringify({ roundTrip: 5, failures: { websocket }, turns: {} });
}

describe('eight tabs that are opened at once', () => {
  it('try one WebSocket, all of them work, and with the connection that is lost they hold four', async () => {
    await startProxy();
    const all = await openAll(8);
    expect(tried).toBe(1);
    expect(failure()).toMatchObject({ times: 1, isSilent: true });
    expect(failure().until - Date.now()).toBeGreaterThan(9 * 60_000);
    await until(() => by(all, 'eventsource').length === 3, 'three streams');
    expect(await Promise.all(all.map((client, n) => client.emitWithAck('echo', n)))).toEqual([0, ...OTHER]);
    expect(reasons(all, 'websocket').toSorted().slice(0, 7)).toEqual(OTHER.map(() => NO_TURN));
    expect(reasons(all, 'websocket').toSorted()[7]).toMatch(/^nothing came in \d+ ms$/);

    // those that come later do not try it at all
    const ninth = open();
    await nextEvent(ninth, 'connect');
    expect(reasons([ninth], 'websocket')).toEqual([]);
    expect(tried).toBe(1);
  });

  it('all go by WebSocket where nothing is in the way', async () => {
    isBlocking = false;
    await startProxy();
    const all = await openAll(8);
    expect(by(all, 'websocket')).toHaveLength(8);
    expect(all.map((client) => attempts(client)[0]!.state)).toEqual(all.map(() => 'open'));
  });

  it('try one by an upgrade, where polling comes first', async () => {
    await startProxy();
    const all = await openAll(8, { transports: ['polling', 'websocket'] });
    await until(() => reasons(all, 'websocket').filter(Boolean).length === 8, 'all know');
    expect(tried).toBe(1);
    expect(reasons(all, 'websocket').filter((reason) => reason === NO_TURN)).toHaveLength(7);
    expect(failure()).toMatchObject({ times: 1, isSilent: true });
  });

  it('remember less of a WebSocket that is refused', async () => {
    await startProxy(403);
    await openAll(8);
    expect(failure().isSilent).toBe(false);
    expect(failure().until - Date.now()).toBeLessThanOrEqual(60_000 * 2 ** (failure().times - 1));
  });
});

describe('a WebSocket that was silent', () => {
  it('is tried again by one tab when its time is over', async () => {
    remember(700);
    await startProxy();
    const all = await openAll(4, { transports: ['websocket', 'polling'] });
    expect(tried).toBe(0);
    await until(() => failure().times === 2, 'it was tried again');
    await until(() => reasons(all, 'websocket').filter(Boolean).length === 4, 'all know');
    expect(tried).toBe(1);
    expect(failure().until - Date.now()).toBeGreaterThan(59 * 60_000);
    expect(await Promise.all(all.map((client, n) => client.emitWithAck('echo', n)))).toEqual([0, 1, 2, 3]);
  });

  it('is used by all when it works by then', async () => {
    remember(700);
    isBlocking = false;
    await startProxy();
    const all = await openAll(4);
    expect(by(all, 'websocket')).toEqual([]);
    await until(() => by(all, 'websocket').length === 4, 'all go by WebSocket');
  });

  it('takes its seat from the tab that came last', async () => {
    remember(700);
    const lost: Socket[] = [];
    await startProxy();
    const all = await openAll(4, { transports: ['websocket', 'eventsource', 'polling'], reconnectionDelay: 50 });
    await until(() => by(all, 'eventsource').length === 3, 'three streams');
    for (const client of all) client.on('disconnect', () => lost.push(client));
    await until(() => failure().times === 2, 'it was tried again');
    await until(() => by(all, 'eventsource').length === 2 && all.every(({ connected }) => connected), 'two streams');
    expect(lost).toHaveLength(1);
    expect(tried).toBe(1);
  });

  it('is tried where there is nothing else', async () => {
    remember(60_000);
    isBlocking = false;
    await startProxy();
    expect(current((await openAll(1, { transports: ['websocket'] }))[0]!)).toBe('websocket');
  });

  it('is left out while the server is away, and when it has come back', async () => {
    remember(60_000);
    let isDown = true;
    proxy = await blockingProxy({ target: live.port, answer: 503, blocks: ({ headers }) => {
      if (headers.upgrade !== undefined) tried++;
      return isDown;
    } }); // prettier-ignore
    const client = open({ reconnectionDelay: 50 });
    await nextEvent(client, 'connect_error');
    isDown = false;
    await nextEvent(client, 'connect');
    expect(tried).toBe(0);
  });

  it('is tried at once when the browser was offline: the network may be another', async () => {
    remember(60_000);
    isBlocking = false;
    await startProxy();
    const [client] = await openAll(1, { reconnectionDelay: 50 });
    expect(current(client!)).toBe('eventsource');
    const again = new Promise((resolve) => client!.io.once('reconnect', resolve));
    // what engine.io-client does when it hears of it
    (client!.io.engine as any)._onClose('transport close', { description: 'network connection lost' });
    await again;
    expect(current(client!)).toBe('websocket');
  });
});

describe('a tab that goes away while it tries', () => {
  it('leaves the turn to the next', async () => {
    await startProxy();
    const first = open();
    await until(() => tried === 1, 'it is trying');
    first.disconnect();
    isBlocking = false;
    await openAll(1);
    expect(current(clients[1]!)).toBe('websocket');
    expect(attempts(clients[1]!)[0]!.state).toBe('open');
  });
});
