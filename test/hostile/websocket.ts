import type { Socket } from 'node:net';
import { RawConnection, upgradeText } from '../support/wire-http.js';
import { until } from '../support/wire-engine.js';
import {
  exchange,
  overfill,
  rowOf,
  same,
  toldByWebSocket,
  victim,
  watch,
  type Case,
  type Start,
  type Victim,
} from '../support/wire-hostile.js';
import { WsClient } from '../support/wire-websocket.js';

const LIMIT = 1_000_000;
const polling = rowOf('polling/4');

interface Live {
  client: WsClient;
  /** Writes bytes that `ws` would never send to the connection below. */
  raw(bytes: Buffer | number[]): void;
}

/** A session over a WebSocket whose frames a test can forge. */
async function live(start: Start, eio: 3 | 4, options = {}, wsOptions = {}): Promise<Live & Victim> {
  const target = await start(options);
  const url = `${target.url}?EIO=${eio}&transport=websocket`;
  const client = new WsClient(url.replace('http', 'ws'), wsOptions);
  target.onTeardown(() => client.cut());
  await client.next();
  const session = await target.sessions.next();
  return {
    target,
    session,
    ...watch(session, () => client.send('4alive?')),
    url: `${url}&sid=${session.id}`,
    client: client as never,
    raw: (bytes) => (client.ws as unknown as { _socket: NodeJS.WritableStream })._socket.write(Buffer.from(bytes)),
  } as Live & Victim;
}

/** Frames as raw bytes, each to a session of its own; all must have the same outcome. */
function rawFrames(input: string, frames: (Buffer | number[])[], eio: 3 | 4 = 4, options = {}): Case {
  return {
    input,
    async run(start) {
      const answers: string[] = [];
      const fates: string[] = [];
      let last!: Live & Victim;
      for (const frame of frames) {
        last = await live(start, eio, options);
        last.raw(frame);
        answers.push(await toldByWebSocket(last.client));
        fates.push(await last.fate());
      }
      return { target: last.target, answer: same(answers), session: same(fates) };
    },
  };
}

/** Well-formed frames with an unwelcome content. */
function frames(input: string, list: (string | Buffer)[], eio: 3 | 4 = 4, options = {}): Case {
  return rawFrames(input, list.map(masked), eio, options);
}

function deed(input: string, act: (one: Live & Victim) => Promise<string>, options = {}, wsOptions = {}): Case {
  return {
    input,
    async run(start) {
      const one = await live(start, 4, options, wsOptions);
      const answer = await act(one);
      return { target: one.target, answer, session: await one.fate() };
    },
  };
}

/** A whole frame as a client sends it, with a mask of zeros. */
function masked(data: string | Buffer): Buffer {
  const payload = Buffer.from(data as string);
  const length =
    payload.length < 126
      ? Buffer.from([0x80 | payload.length])
      : Buffer.from([0xff, 0, 0, 0, 0, ...bytes32(payload.length)]);
  return Buffer.concat([Buffer.from([typeof data === 'string' ? 0x81 : 0x82]), length, Buffer.alloc(4), payload]);
}

function bytes32(n: number): number[] {
  return [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];
}

/** Frames with the given first bytes, empty mask and payload. */
function frame(first: number, payload: number[] | Buffer = []): Buffer {
  return Buffer.concat([Buffer.from([first, 0x80 | payload.length, 0, 0, 0, 0]), Buffer.from(payload)]);
}

/** A candidate for the upgrade of a polling session, with the same or another revision. */
async function candidate({ target, url }: Victim, eio = 4): Promise<WsClient> {
  const client = new WsClient(url.replace('http', 'ws').replace('polling', 'websocket').replace('EIO=4', `EIO=${eio}`));
  target.onTeardown(() => client.cut());
  return client;
}

function upgradeDeed(input: string, act: (one: Victim) => Promise<string>, options = {}): Case {
  return {
    input,
    async run(start) {
      const one = await victim(start, polling, options);
      const answer = await act(one);
      return { target: one.target, answer, session: await one.fate() };
    },
  };
}

export const webSocketCases: Case[] = [
  frames('A frame over `maxHttpBufferSize`', [`4${'x'.repeat(LIMIT)}`, Buffer.alloc(LIMIT + 1)]),
  rawFrames('A frame that announces 2^62 bytes', [[0x82, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]),
  deed('A message over `maxHttpBufferSize` in fragments', async ({ client }) => {
    client.ws.send('4', { fin: false });
    for (let sent = 0; sent <= LIMIT; sent += 100_000) client.ws.send('x'.repeat(100_000), { fin: false });
    return toldByWebSocket(client);
  }),
  deed(
    'A message in more than `limits.maxFragments` fragments',
    async ({ raw, client }) => {
      raw(Buffer.concat([frame(0x01, [0x34]), ...Array(1_100).fill(frame(0x00, [0x78]))]));
      return toldByWebSocket(client);
    },
    { limits: { maxFragments: 1_000 } },
  ),
  deed(
    'A message in more pieces of TCP than `limits.maxBufferedChunks`',
    async ({ raw, client }) => {
      // announces 60,000 bytes, and brings them one by one
      raw([0x82, 0xfe, 0xea, 0x60, 0, 0, 0, 0]);
      (client.ws as unknown as { _socket: Socket })._socket.setNoDelay(true);
      const trickle = setInterval(raw, 1, [0]);
      const answer = await toldByWebSocket(client);
      clearInterval(trickle);
      return answer;
    },
    { limits: { maxBufferedChunks: 50 } },
  ),
  deed('20,000 fragments of no bytes, by the defaults', async ({ raw, client }) => {
    raw(Buffer.concat([frame(0x01), ...Array(20_000).fill(frame(0x00))]));
    return toldByWebSocket(client);
  }),
  deed(
    'A compressed message that inflates beyond `maxHttpBufferSize`, with `perMessageDeflate` on',
    async ({ client }) => {
      await client.send(`4${'0'.repeat(10 * LIMIT)}`);
      return toldByWebSocket(client);
    },
    { perMessageDeflate: true },
    { perMessageDeflate: { threshold: 0 } },
  ),
  rawFrames('A frame without a mask', [[0x81, 0x02, 0x34, 0x78]]),
  rawFrames('Reserved bits, an unknown opcode, a continuation of nothing', [
    frame(0xc1, [0x34]),
    frame(0x83, [0x34]),
    frame(0x8b),
    frame(0x80, [0x34]),
  ]),
  rawFrames('A control frame that is fragmented, or longer than 125 bytes', [
    frame(0x09),
    [0x89, 0xfe, 0, 126, 0, 0, 0, 0, ...Buffer.alloc(126)],
  ]),
  rawFrames('A close frame with a code that must not be sent', [
    frame(0x88, [0x03]),
    frame(0x88, [0x03, 0xed]),
    frame(0x88, [0x00, 0x01]),
  ]),
  rawFrames('A text frame that is not UTF-8', [
    frame(0x81, [0x34, 0xff]),
    frame(0x81, [0x34, 0xed, 0xa0, 0x80]),
    frame(0x81, [0x34, 0xe2, 0x82]),
  ]),
  frames('A packet type that does not exist, or no packet', ['abc', '7', '9x', '', ' 4x', '\ufeff4x']),
  frames('The same in revision 3', ['abc', '9x', '', 'b', 'b9AA', Buffer.alloc(0), Buffer.from([9, 1])], 3),
  frames('A heartbeat in the wrong direction', ['2', '2probe']),
  frames('A heartbeat in the wrong direction in revision 3', ['3', '3probe'], 3),
  frames('A close packet', ['1', '1bye']),
  deed('Packets that only the server sends, or that mean nothing here (`0`, `5`, `6`)', async ({ client }) => {
    for (const packet of ['0', '0{"sid":"mine"}', '5', '6', '6x', '5probe']) await client.send(packet);
    return 'nothing';
  }),
  deed('10,000 pings of the WebSocket protocol at once', async ({ client }) => {
    for (let i = 0; i < 10_000; i++) client.ws.ping();
    return toldByWebSocket(client);
  }),
  deed('A TCP reset', async ({ client }) => {
    (client.ws as unknown as { _socket: { resetAndDestroy(): void } })._socket.resetAndDestroy();
    return toldByWebSocket(client);
  }),
  deed('The end of the TCP connection without a close frame', async ({ client }) => {
    (client.ws as unknown as { _socket: { end(): void } })._socket.end();
    return toldByWebSocket(client);
  }),
  {
    input: 'Frames in the same TCP segment as the upgrade request',
    async run(start) {
      const target = await start();
      const connection = new RawConnection(target.port);
      target.onTeardown(() => connection.socket.destroy());
      const arrived = new Promise((resolve) =>
        target.engine.on('connection', (session) => session.on('message', resolve)),
      );
      connection.write(
        Buffer.concat([Buffer.from(upgradeText('/engine.io/?EIO=4&transport=websocket')), masked('4early')]),
      );
      await connection.until(/0\{"sid"/);
      const session = (await arrived) === 'early' ? 'lives on' : 'saw something else';
      return { target, answer: 'handshake', session };
    },
  },
  deed(
    'A client that does not read, until `limits.maxBufferedBytes` wait for it',
    async ({ client, session }) => {
      await overfill(session, client.ws);
      return toldByWebSocket(client);
    },
    { limits: { maxBufferedBytes: 1_000_000 } },
  ),
  upgradeDeed('An upgrade of another protocol revision than the session, `2probe`, `5`, `2`', async (one) => {
    const path = `${new URL(one.url).pathname}?EIO=3&transport=websocket&sid=${one.client.sid}`;
    const bytes = Buffer.concat([Buffer.from(upgradeText(path)), masked('2probe'), masked('5'), masked('2')]);
    return exchange(one.target, bytes);
  }),
  upgradeDeed('`2probe`, `5`, `2` in the right revision', async (one) => {
    const client = await candidate(one);
    await client.opened;
    for (const packet of ['2probe', '5', '2']) await client.send(packet);
    return toldByWebSocket(client);
  }),
  upgradeDeed('A candidate that sends anything but `2probe` and `5`', async (one) => {
    const answers: string[] = [];
    for (const packet of ['4x', '2', '3', '6', 'abc', '', '2probe!']) {
      const client = await candidate(one);
      await client.opened;
      await client.send(packet);
      answers.push(await toldByWebSocket(client));
      await until(() => !one.session.upgrading);
    }
    return same(answers);
  }),
  upgradeDeed('`5` without a probe: the session takes it', async (one) => {
    const client = await candidate(one);
    await client.opened;
    await client.send('5');
    await until(() => one.session.upgraded);
    // the fate is asked for by the old transport, so it is told here
    await client.send('4alive?');
    return 'nothing';
  }),
  upgradeDeed('A candidate with a broken frame', async (one) => {
    const client = await candidate(one);
    await client.opened;
    (client.ws as unknown as { _socket: NodeJS.WritableStream })._socket.write(frame(0x83, [0x34]));
    const answer = await toldByWebSocket(client);
    await until(() => !one.session.upgrading);
    return answer;
  }),
  upgradeDeed('A candidate that is reset', async (one) => {
    const client = await candidate(one);
    await client.opened;
    await client.send('2probe');
    await client.next();
    (client.ws as unknown as { _socket: { resetAndDestroy(): void } })._socket.resetAndDestroy();
    const answer = await toldByWebSocket(client);
    await until(() => !one.session.upgrading);
    return answer;
  }),
  upgradeDeed('A second candidate while one is probing', async (one) => {
    const first = await candidate(one);
    await first.opened;
    await first.send('2probe');
    await first.next();
    const second = await candidate(one);
    const answer = await toldByWebSocket(second);
    first.cut();
    await until(() => !one.session.upgrading);
    return answer;
  }),
  {
    input: 'A second WebSocket with the id of a session that has one',
    async run(start) {
      const one = await live(start, 4);
      const second = new WsClient(one.url.replace('http', 'ws'));
      one.target.onTeardown(() => second.cut());
      const answer = await toldByWebSocket(second);
      return { target: one.target, answer, session: await one.fate() };
    },
  },
];
