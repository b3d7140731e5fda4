import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect, type Attempt, type ConnectOptions, type TriedEngine } from 'nestwire/client';
import { blockingProxy, bufferingProxy, slowProxy, type TestProxy } from 'nestwire/testing';
import type { Socket } from 'socket.io-client';
import { nextEvent, startLive, until, type Live } from './support.js';

/*
 * Connections that share a browser's connections, in one process: Node's BroadcastChannel is that of the tabs. What
 * browsers make of it is tested in test/browser.
 */

const NO_SEAT = 'other tabs hold the connections';

const page = globalThis as unknown as { location?: object; BroadcastChannel: typeof BroadcastChannel };
const RealChannel = page.BroadcastChannel;

/** Channels whose page is busy, and hears what was said when it is not any more. */
class BusyChannel extends RealChannel {
  static waiting: (() => void)[] | null = [];

  static hear(): void {
    const { waiting } = this;
    this.waiting = null;
    for (const deliver of waiting!) deliver();
  }

  override addEventListener(type: 'message', listener: any): void {
    super.addEventListener(type, ({ data }: any) => {
      const deliver = (): void => listener({ data });
      if (BusyChannel.waiting === null) deliver();
      else BusyChannel.waiting.push(deliver);
    });
  }
}

let live: Live;
let proxies: TestProxy[];
let clients: Socket[];
/** GETs that the server holds and may hold for long: streams, and polls that did not ask for a brief answer. */
let held: number;
let mostHeld: number;
let brief: number;

function count(request: IncomingMessage, response: ServerResponse): void {
  const { searchParams } = new URL(request.url!, 'http://localhost');
  if (searchParams.get('wait') === '0') brief++;
  else if (request.method === 'GET' && (searchParams.has('sid') || searchParams.get('transport') === 'eventsource')) {
    mostHeld = Math.max(mostHeld, ++held);
    response.on('close', () => held--);
  }
}

async function start(options = {}): Promise<void> {
  live = await startLive(options);
  live.http.on('request', count);
}

beforeAll(() => {
  page.location = { href: 'http://127.0.0.1/', protocol: 'http:', port: '' };
});

afterAll(() => {
  delete page.location;
});

beforeEach(() => {
  [held, mostHeld, brief] = [0, 0, 0];
  clients = [];
  proxies = [];
});

afterEach(async () => {
  page.BroadcastChannel = RealChannel;
  BusyChannel.waiting = [];
  for (const client of clients) client.disconnect();
  await until(() => live.engine.clientsCount === 0, 'every session ended', 15_000);
  for (const proxy of proxies.toReversed()) await proxy.close();
  await live.close();
}, 20_000);

function open(options: ConnectOptions, url = live.url): Socket {
  const client = connect(url, { forceNew: true, ...options });
  clients.push(client);
  return client;
}

/** Opens so many at once, and waits until all are connected. */
async function openAll(count: number, options: ConnectOptions, url?: string): Promise<Socket[]> {
  const all = Array.from({ length: count }, () => open(options, url));
  await Promise.all(all.map((client) => nextEvent(client, 'connect')));
  return all;
}

const current = (client: Socket): string => client.io.engine.transport.name;
const attempts = (client: Socket): readonly Attempt[] => (client.io.engine as unknown as TriedEngine).attempts;
const story = (client: Socket): string[] =>
  attempts(client).map(({ transport, role, state }) => `${transport} ${role} ${state}`);
/** Whether all know by what they go, after so many attempts. */
const settled = (all: Socket[], count: number): boolean =>
  all.every((client) => story(client).length === count && !story(client).some((line) => line.endsWith('trying')));
const by = (all: Socket[], name: string): Socket[] => all.filter((client) => current(client) === name);
const echoes = async (all: Socket[]): Promise<void> => {
  expect(await Promise.all(all.map((client, n) => client.emitWithAck('echo', n)))).toEqual(all.map((_, n) => n));
};

describe('eight tabs', () => {
  it('hold four streams; the others poll briefly, and say why', async () => {
    await start();
    const heard: Attempt[] = [];
    const all = await openAll(8, { transports: ['eventsource', 'polling'], onFallback: (one) => heard.push(one) });
    await echoes(all);
    expect(by(all, 'eventsource')).toHaveLength(4);
    for (const client of by(all, 'polling')) {
      expect(story(client)).toEqual(['eventsource first failed', 'polling first open']);
      expect(attempts(client)[0]!.reason).toBe(NO_SEAT);
    }
    expect(heard.map(({ reason }) => reason)).toEqual(Array(4).fill(NO_SEAT));
    await until(() => held === 4, 'four streams');
    mostHeld = 0;
    const before = brief;
    await until(() => brief > before + 8, 'brief polls');
    expect([held, mostHeld]).toEqual([4, 0]);
  });

  it('take over when others go, without a reconnection', async () => {
    await start();
    const all = await openAll(8, { transports: ['eventsource', 'polling'] });
    const streams = by(all, 'eventsource');
    const polls = by(all, 'polling');
    const lost: string[] = [];
    for (const client of polls) client.on('disconnect', (reason) => lost.push(reason));
    for (const client of streams.slice(0, 3)) client.disconnect();
    await until(() => by(polls, 'eventsource').length === 3, 'three streams more');
    const [promoted] = by(polls, 'eventsource');
    expect(story(promoted!)).toEqual(['eventsource first failed', 'polling first open', 'eventsource upgrade open']);
    await echoes([streams[3]!, ...polls]);
    expect(lost).toEqual([]);
    await until(() => held === 4, 'four streams');
  });

  it('do not take it for a failure of the network', async () => {
    await start();
    const all = await openAll(5, { transports: ['eventsource', 'polling'] });
    const [poll] = by(all, 'polling');
    poll!.disconnect();
    by(all, 'eventsource')[0]!.disconnect();
    await until(() => live.engine.clientsCount === 3, 'both have gone');
    poll!.connect();
    await nextEvent(poll!, 'connect');
    expect(story(poll!)[0]).toBe('eventsource first open');
  });

  it('behind a network without WebSocket do not begin the upgrade either', async () => {
    await start();
    const proxy = await blockingProxy({ target: live.port, answer: 403 });
    proxies.push(proxy);
    const all = await openAll(8, {}, proxy.url);
    await until(() => by(all, 'eventsource').length === 4, 'four streams');
    await until(() => settled(all, 3), 'all are settled');
    for (const client of by(all, 'polling')) {
      expect(attempts(client)[2]).toMatchObject({ transport: 'eventsource', role: 'upgrade', reason: NO_SEAT });
    }
    await until(() => held === 4, 'four streams');
    await echoes(all);
    expect(held).toBe(4);

    // nor do they take it for a failure of the network
    const [poll] = by(all, 'polling');
    for (const client of all) client.disconnect();
    await until(() => live.engine.clientsCount === 0, 'all have gone');
    poll!.connect();
    await nextEvent(poll!, 'connect');
    expect(story(poll!)[0]).toBe('eventsource first open');
  });

  it('park four polls where nothing streams', async () => {
    await start();
    const proxy = await bufferingProxy({ target: live.port });
    proxies.push(proxy);
    const all = await openAll(8, { transports: ['polling', 'eventsource'] }, proxy.url);
    await until(() => settled(all, 2) && held === 4, 'four polls are parked');
    mostHeld = 0;
    await echoes(all);
    await until(() => held === 4, 'four polls are parked again');
    expect(mostHeld).toBe(4);
    all[0]!.disconnect();
    all[1]!.disconnect();
    await until(() => held === 4, 'the next ones park theirs');
    await echoes(all.slice(2));
  });

  it('try streams again in the place of their parked polls', async () => {
    await start();
    const proxy = await bufferingProxy({ target: live.port });
    proxies.push(proxy);
    const all = await openAll(6, { transports: ['polling', 'eventsource'] }, proxy.url);
    await until(() => settled(all, 2) && held === 4, 'four polls are parked');
    mostHeld = held;
    const waiting = all.filter((client) => attempts(client)[1]!.reason === NO_SEAT);
    proxy.buffering = false;
    // what they do after a minute
    for (const { io } of all) (io.engine as unknown as { _probe(name: string): void })._probe('eventsource');
    await echoes(waiting);
    expect([held, mostHeld]).toEqual([4, 4]);
    live.io.emit('something');
    await until(() => by(all, 'eventsource').length === 4 && held === 4, 'four streams');
    expect(mostHeld).toBe(4);
    await echoes(all);
  });

  it('are told of by an error where there is nothing but streams, and get in when there is room', async () => {
    await start();
    const options: ConnectOptions = { transports: ['eventsource'], reconnectionDelay: 50, reconnectionDelayMax: 200 };
    const four = await openAll(4, options);
    const fifth = open(options);
    const [error] = await nextEvent(fifth, 'connect_error');
    expect(String(error)).toContain(NO_SEAT);
    expect(held).toBe(4);
    four[0]!.disconnect();
    await nextEvent(fifth, 'connect');
    await echoes([fifth, ...four.slice(1)]);
  });
});

describe('a tab that polls briefly', () => {
  const QUICK = { pingInterval: 300, pingTimeout: 1000 };

  it('hears pings in time', async () => {
    await start(QUICK);
    const all = await openAll(5, { transports: ['polling'] });
    const lost: string[] = [];
    let pings = 0;
    for (const client of all) client.on('disconnect', (reason) => lost.push(reason));
    all[4]!.io.on('ping', () => pings++);
    await until(() => pings > 8, 'nine pings');
    expect(lost).toEqual([]);
    expect(brief).toBeGreaterThan(8);
  });

  it('loses nothing that it is sent', async () => {
    await start();
    const all = await openAll(5, { transports: ['polling'] });
    const got: number[] = [];
    all[4]!.on('n', (n: number) => got.push(n));
    const [session] = [...(await live.io.fetchSockets())].filter(({ id }) => id === all[4]!.id);
    for (let n = 0; n < 100; n++) {
      session!.emit('n', n);
      if (n % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 60));
    }
    await until(() => got.length === 100, 'all messages came');
    expect(got).toEqual(Array.from({ length: 100 }, (_, n) => n));
  });
});

describe('connections that were opened all at once', () => {
  it('are given back by those who came last, when they hear of the others', async () => {
    await start();
    page.BroadcastChannel = BusyChannel;
    const all = Array.from({ length: 6 }, () =>
      open({ transports: ['eventsource', 'polling'], reconnectionDelay: 50 }),
    );
    await until(() => held === 6 && all.every(({ connected }) => connected), 'six streams');
    BusyChannel.hear();
    await until(() => by(all, 'polling').length === 2 && all.every(({ connected }) => connected), 'two came back');
    await until(() => held === 4, 'four streams');
    await echoes(all);
  });
});

describe('connections that are being opened all at once', () => {
  it('are given up by those who came last', async () => {
    await start();
    const proxy = await slowProxy({ target: live.port, latency: 500 });
    proxies.push(proxy);
    page.BroadcastChannel = BusyChannel;
    const all = Array.from({ length: 6 }, () => open({ transports: ['eventsource', 'polling'] }, proxy.url));
    const lost: string[] = [];
    for (const client of all) client.on('disconnect', (reason) => lost.push(reason));
    await until(() => held === 6, 'six requests for a stream');
    BusyChannel.hear();
    await until(() => all.every(({ connected }) => connected), 'all are connected');
    // those of one millisecond in any order
    expect(all.map(current).sort()).toEqual([...Array(4).fill('eventsource'), 'polling', 'polling']);
    expect(lost).toEqual([]);
  });
});

describe('a WebSocket', () => {
  it('needs no seat, and gives one back', async () => {
    await start();
    await openAll(6, { transports: ['websocket'] });
    // they change from polling
    const changed = await openAll(6, { transports: ['polling', 'websocket'] });
    await until(() => by(changed, 'websocket').length === 6, 'six WebSockets more');
    const streams = await openAll(4, { transports: ['eventsource', 'polling'] });
    expect(streams.map(current)).toEqual(Array(4).fill('eventsource'));
  });
});
