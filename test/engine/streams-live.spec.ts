import { describe, expect, it } from '@jest/globals';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { cuttingProxy } from '../support/wire-cutting.js';
import { ask, RawConnection, requestText } from '../support/wire-http.js';
import { pageQuery, parserFor, STREAMS, type StreamName } from '../support/wire-parsers.js';
import { StreamClient } from '../support/wire-streams.js';
import { WsClient } from '../support/wire-websocket.js';
import {
  backUp,
  event,
  sessionClosed,
  until,
  useEngines,
  type Harness,
  type SessionLike,
} from '../support/wire-engine.js';

const start = useEngines();
const COUNT = 10_000;
const numbers = Array.from({ length: COUNT }, (_, i) => String(i));

function urlOf(target: { port: number }, transport: string): string {
  const url = `http://127.0.0.1:${target.port}/engine.io/?EIO=4&transport=${transport}`;
  return url + pageQuery(transport, url);
}

/** A client, connected to a port that may be a proxy's, and its session. */
async function connect(
  target: Harness,
  transport: StreamName,
  { port = target.port, resume = true }: { port?: number; resume?: boolean } = {},
): Promise<{ client: StreamClient; session: SessionLike; ends: string[] }> {
  const agent = new Agent({ keepAlive: true });
  const client = new StreamClient({ url: urlOf({ port }, transport), transport, resume, agent });
  target.onTeardown(() => {
    client.cut();
    agent.destroy();
  });
  const session = await target.sessions.next();
  const ends: string[] = [];
  session.on('close', (reason: string) => ends.push(reason));
  expect(String(await client.next())).toMatch(/^0\{/);
  return { client, session, ends };
}

/** Takes messages until there are so many; answers pings. */
async function take(client: StreamClient, count: number): Promise<string[]> {
  const taken: string[] = [];
  while (taken.length < count) {
    const packet = await client.next();
    if (packet === '2') void client.send('3');
    else taken.push(String(packet).slice(1));
  }
  return taken;
}

describe.each(STREAMS)('%s through a proxy that cuts', (transport) => {
  const heartbeat = { pingInterval: 700, pingTimeout: 5_000 };

  it('carries 10,000 messages each way once and in order', async () => {
    const target = await start(heartbeat);
    const proxy = await cuttingProxy(target.port, { responseAfter: 400, everyPost: 3 });
    target.onTeardown(() => proxy.close());
    const { client, session, ends } = await connect(target, transport, proxy);
    const up: string[] = [];
    session.on('message', (data: string) => up.push(data));
    const down = take(client, COUNT);
    const sendDown = async () => {
      for (let i = 0; i < COUNT; i += 50) {
        for (const number of numbers.slice(i, i + 50)) session.send(number);
        await delay(10);
      }
    };
    const sendUp = async () => {
      for (let i = 0; i < COUNT; i += 50) {
        await client.post(numbers.slice(i, i + 50).map((number) => `4${number}`).join('\x1e')); // prettier-ignore
      }
    };
    await Promise.all([sendDown(), sendUp()]);
    expect(await down).toEqual(numbers);
    expect(up).toEqual(numbers);
    expect(proxy.cutResponses).toBeGreaterThan(3);
    expect(proxy.cutPosts).toBeGreaterThan(50);
    expect(client.retries).toBeGreaterThanOrEqual(proxy.cutPosts);
    expect(client.cuts).toBeGreaterThanOrEqual(proxy.cutResponses);
    expect(ends).toEqual([]);
    expect(target.engine.clientsCount).toBe(1);
  });

  it('carries 10,000 messages to a client that only listens', async () => {
    const target = await start(heartbeat);
    const proxy = await cuttingProxy(target.port, { responseAfter: 400, everyPost: 2 });
    target.onTeardown(() => proxy.close());
    const { client, session, ends } = await connect(target, transport, proxy);
    const down = take(client, COUNT);
    // 10 MB in all: more than may be unconfirmed, and more than one response carries
    const filler = 'x'.repeat(1_000);
    for (let i = 0; i < COUNT; i += 100) {
      for (const number of numbers.slice(i, i + 100)) session.send(`${number} ${filler}`);
      await delay(15);
    }
    expect((await down).map((text) => text.split(' ')[0])).toEqual(numbers);
    expect(proxy.cutResponses).toBeGreaterThan(2);
    expect(ends).toEqual([]);
  });

  it('recycles a response after some bytes, and loses nothing by it', async () => {
    const target = await start({ ...heartbeat, recycleBytes: 100_000 });
    const { client, session, ends } = await connect(target, transport);
    for (let i = 0; i < 12; i++) {
      session.send(`${i} ${'y'.repeat(40_000)}`);
      await new Promise(setImmediate);
    }
    expect((await take(client, 12)).map((text) => Number.parseInt(text, 10))).toEqual([...Array(12).keys()]);
    session.send('z'.repeat(400_000));
    session.send('last');
    expect((await take(client, 2))[1]).toBe('last');
    // ended by plan again and again, and never cut
    expect(client.responses).toBeGreaterThan(3);
    expect(client.cuts).toBe(0);
    expect(ends).toEqual([]);
  });

  it('recycles a response after a time', async () => {
    const target = await start({ recycleInterval: 100 });
    const { client, session } = await connect(target, transport);
    for (let i = 0; client.responses < 4; i++) {
      session.send(String(i));
      expect(await take(client, 1)).toEqual([String(i)]);
      await delay(20);
    }
    expect(client.cuts).toBe(0);
  });
});

describe.each(STREAMS)('GETs of %s', (transport) => {
  it('that overlap: the newest one carries what was not confirmed, the older ones end', async () => {
    const target = await start();
    const { client, session, ends } = await connect(target, transport);
    // longer than what a nonce may have in it by chance
    session.send('first');
    await client.next();
    // its own response ends when another one takes its place, and it does not come back for now
    const left = client.leave();
    const gets: RawConnection[] = [];
    for (let i = 0; i < 5; i++) {
      const { pathname, search } = new URL(client.urlOf({ ack: 1 }));
      const connection = new RawConnection(target.port).write(
        requestText('GET', pathname + search, { host: new URL(client.urlOf()).host }),
      );
      target.onTeardown(() => connection.socket.destroy());
      gets.push(connection);
      await connection.until(/4first/);
    }
    await left;
    session.send('second');
    await gets[4]!.until(/4second/);
    for (const one of gets.slice(0, 4)) {
      await one.until({ eventsource: /event: end/, multipart: /--nestwire--/, htmlfile: /data-e/ }[transport]);
      expect(one.text).not.toContain('4second');
    }
    // the newest one is orphaned: nobody has confirmed what it carried
    gets[4]!.reset();
    session.send('third');
    client.attach();
    expect(await take(client, 2)).toEqual(['second', 'third']);
    expect(ends).toEqual([]);
    expect(target.engine.clientsCount).toBe(1);
  });

  it('that are cut while a middleware is pending replace nothing', async () => {
    const target = await start();
    const held: { res: ServerResponse; next: () => void }[] = [];
    target.engine.use((req, res, next) => {
      if (req.url!.includes('hold=1')) held.push({ res, next });
      else next();
    });
    const { client, session } = await connect(target, transport);
    const { pathname, search } = new URL(client.urlOf({ ack: 1, hold: 1 }));
    const connection = new RawConnection(target.port).write(
      requestText('GET', pathname + search, { host: new URL(client.urlOf()).host }),
    );
    await until(() => held.length === 1);
    const closed = once(held[0]!.res, 'close');
    connection.reset();
    await closed;
    held[0]!.next();
    await new Promise(setImmediate);
    session.send('still here');
    expect(await take(client, 1)).toEqual(['still here']);
    expect(client.responses).toBe(1);
  });

  it('whose client has vanished without a word are replaced, and hold nobody up', async () => {
    const target = await start();
    const { client, session, ends } = await connect(target, transport);
    // a half-open connection: the server can write, nobody reads
    client.stopReading();
    const sent = await backUp(session);
    const { pathname, search } = new URL(client.urlOf({ ack: 1 }));
    const other = request({ host: '127.0.0.1', port: target.port, path: pathname + search, agent: false });
    other.end();
    const [response] = (await once(other, 'response')) as [IncomingMessage];
    const parser = parserFor(transport);
    let frames = 0;
    response.on('data', (chunk: Buffer) => {
      frames += parser.push(chunk).filter(({ kind }) => kind === 'frame').length;
    });
    await until(() => frames >= sent);
    expect(ends).toEqual([]);
    other.destroy();
  });

  it('that nobody reads are bounded, and end with the session', async () => {
    const target = await start({ limits: { maxBufferedBytes: 4_000_000 } });
    const { client, session } = await connect(target, transport);
    client.stopReading();
    const ended = sessionClosed(session);
    const large = 'z'.repeat(100_000);
    let sent = 0;
    while (session.readyState === 'open' && sent < 1_000) {
      session.send(large);
      sent++;
      await new Promise(setImmediate);
    }
    const { reason, description } = await ended;
    expect(reason).toBe('transport error');
    expect(String(description)).toContain('slow reader');
    // what the kernel took, what is unconfirmed, what waits: far from the 100 MB that were there to send
    expect(sent).toBeLessThan(150);
    expect(target.engine.clientsCount).toBe(0);
  });
});

describe('a stream that was never confirmed', () => {
  it('ends within 10 s, and one that was does not', async () => {
    const target = await start();
    const heads = STREAMS.map((transport) => {
      const get = request(`${urlOf(target, transport)}&resume=1`, { agent: false });
      get.on('error', () => {}); // cut at the end of the test
      target.onTeardown(() => get.destroy());
      get.end();
      return once(get, 'response');
    });
    await Promise.all(heads);
    const ghosts = await target.sessions.take(STREAMS.length);
    const confirmed = await connect(target, 'eventsource');
    await confirmed.client.post('');
    expect(target.engine.clientsCount).toBe(STREAMS.length + 1);
    const begun = performance.now();
    const ends = await Promise.all(ghosts.map(sessionClosed));
    expect(performance.now() - begun).toBeLessThan(10_500);
    expect(ends.map(({ reason }) => reason)).toEqual(STREAMS.map(() => 'transport error'));
    expect(String(ends[0]!.description)).toContain('never confirmed');
    expect(target.engine.clientsCount).toBe(1);
    expect(confirmed.ends).toEqual([]);
  });
});

describe.each(STREAMS)('%s without resume', (transport) => {
  it('streams to a client that only reads, as curl does', async () => {
    const target = await start();
    const hasCurl = spawnSync('curl', ['--version']).status === 0;
    const child = hasCurl
      ? spawn('curl', ['-sN', urlOf(target, transport)])
      : spawn(process.execPath, ['-e', `require('http').get(process.argv[1], (r) => r.pipe(process.stdout))`, urlOf(target, transport)]); // prettier-ignore
    target.onTeardown(() => child.kill());
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const session = await target.sessions.next();
    for (let i = 0; i < 3; i++) {
      session.send(`line ${i}`);
      // each comes before the next one is sent: nothing waits for the end
      await until(() => output.includes(`4line ${i}`));
    }
    expect(output).not.toMatch(/seq/);
    const ended = sessionClosed(session);
    child.kill();
    expect((await ended).reason).toBe('transport error');
    expect(target.engine.clientsCount).toBe(0);
  });

  it('ends the session when a second GET comes', async () => {
    const target = await start();
    const { client, session } = await connect(target, transport, { resume: false });
    const ended = sessionClosed(session);
    expect(await ask(client.urlOf())).toMatchObject({ status: 400 });
    expect((await ended).reason).toBe('transport error');
    expect(await client.closed).toMatchObject({ how: 'close packet' });
  });
});

describe.each(STREAMS)('the offers to %s', (transport) => {
  it('are of our transports only to polling clients that ask for resume', async () => {
    const target = await start();
    const offers = async (query: string) => {
      const { text } = await ask(`${urlOf(target, 'polling')}${query}`);
      return JSON.parse(text.slice(1)).upgrades;
    };
    expect(await offers('')).toEqual(['websocket', 'webtransport']);
    const ours = ['eventsource', 'multipart', 'htmlfile', 'flashsocket'];
    expect(await offers('&resume=1')).toEqual(['websocket', 'webtransport', ...ours]);
  });

  it('are refused in revision 3, with code 5', async () => {
    const target = await start();
    const answer = await ask(urlOf(target, transport).replace('EIO=4', 'EIO=3'));
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.text)).toEqual({ code: 5, message: 'Unsupported protocol version' });
  });
});

describe.each(STREAMS)('a response of %s', (transport) => {
  it('begins at once, in one piece, with headers that no proxy buffers', async () => {
    const target = await start();
    const writes: number[] = [];
    target.server.on('connection', (socket) => {
      const { _write, _writev } = socket as typeof socket & { _writev: NonNullable<(typeof socket)['_writev']> };
      socket._write = function spied(...args) {
        writes.push(1);
        _write.apply(this, args);
      };
      socket._writev = function spied(...args) {
        writes.push(args[0].length);
        _writev.apply(this, args);
      };
    });
    const get = request(urlOf(target, transport), { agent: false });
    target.onTeardown(() => get.destroy());
    get.on('error', () => {}); // cut at the end of the test
    get.end();
    const [response] = (await once(get, 'response')) as [IncomingMessage];
    expect(response.headers).toMatchObject({
      'cache-control': expect.stringMatching(/no-store.*no-transform/),
      'x-accel-buffering': 'no',
      'content-encoding': 'identity',
      'x-content-type-options': 'nosniff',
      'transfer-encoding': 'chunked',
    });
    expect(response.headers).not.toHaveProperty('content-length');
    await once(response, 'data');
    expect(writes).toHaveLength(1);
    const session = await target.sessions.next();
    const arrived = once(response, 'data');
    for (let i = 0; i < 100; i++) session.send(`m${i}`);
    expect(String(await arrived)).toContain('4m99');
    // not as head, bytes and end of an HTTP chunk
    expect(writes.slice(1)).toEqual([1]);
  });

  it('does not keep the server from closing', async () => {
    const target = await start();
    const { client } = await connect(target, transport);
    const begun = performance.now();
    target.engine.close();
    await new Promise((resolve) => target.server.close(resolve));
    expect(performance.now() - begun).toBeLessThan(4_000);
    expect(await client.closed).toMatchObject({ how: 'close packet' });
  });
});

describe.each(STREAMS)('an upgrade that ends %s', (transport) => {
  it('ends its responses by plan until the client lets go, and loses nothing', async () => {
    const target = await start();
    const { client, session } = await connect(target, transport);
    const upgrading = event(session, 'upgrading');
    const ws = new WsClient(client.urlOf({ transport: 'websocket' }).replace('http', 'ws'));
    target.onTeardown(() => ws.cut());
    await ws.opened;
    await ws.send('2probe');
    await upgrading;
    const before = client.responses;
    // comes back again and again while the probe runs
    await until(() => client.responses > before + 2);
    session.send('on the old way');
    await client.leave();
    await ws.send('5');
    session.send('on the new way');
    expect(client.packets.drain().concat(await wsRest(ws))).toEqual(['4on the old way', '4on the new way']);
    expect(client.cuts).toBe(0);
  });
});

/** What a WebSocket carries up to the last message of the test above. */
async function wsRest(ws: WsClient): Promise<(string | Buffer)[]> {
  expect(await ws.next()).toBe('3probe');
  const rest: (string | Buffer)[] = [];
  for (;;) {
    const frame = await ws.next();
    rest.push(frame);
    if (frame === '4on the new way') return rest;
  }
}
