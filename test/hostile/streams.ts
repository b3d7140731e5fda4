import { ask, headOf, RawConnection, requestText, type Answer } from '../support/wire-http.js';
import {
  eachAlone,
  exchange,
  NO_SESSION,
  rowOf,
  same,
  told,
  toldRaw,
  victim,
  type Case,
  type Victim,
} from '../support/wire-hostile.js';
import { message, streamRows, type Row } from '../support/wire-rows.js';

const LIMIT = 1_000_000;
const counted = streamRows.filter(({ name }) => /^\w+\/4$/.test(name));
const plain = streamRows.filter(({ name }) => name.endsWith('plain'));

/** One deed to a session of each row, which all have the same outcome. */
function deed(input: string, rows: Row[], act: (one: Victim, row: Row) => Promise<string>, options = {}): Case {
  return eachAlone(input, rows, (start, row) => victim(start, row, options, false), act);
}

/** Variants of a deed, each to a session of its own. */
function deeds<T>(input: string, rows: Row[], variants: T[], act: (one: Victim, variant: T) => Promise<string>): Case {
  return {
    input,
    async run(start) {
      const outcomes = [];
      for (const variant of variants) outcomes.push(await deed(input, rows, (one) => act(one, variant)).run(start));
      const answer = same(outcomes.map((outcome) => outcome.answer));
      return { ...outcomes.at(-1)!, answer, session: same(outcomes.map(({ session }) => session)) };
    },
  };
}

function pathOf({ url }: Victim, query = ''): string {
  return new URL(url).pathname + new URL(url).search + query;
}

async function post(one: Victim, query: string, body: string | Buffer, type = 'text/plain'): Promise<string> {
  return told(await ask(`${one.url}${query}`, { method: 'POST', body, headers: { 'content-type': type } }));
}

/** The outcome of what the session's own client sends. */
function sent(sending: Promise<void>): Promise<string> {
  return sending.then(
    () => '200 ok',
    (answer: Answer) => told(answer),
  );
}

/** A POST whose body stops before its end. */
async function unfinished(one: Victim, query: string): Promise<RawConnection> {
  const connection = new RawConnection(one.target.port);
  one.target.onTeardown(() => connection.socket.destroy());
  connection.write(requestText('POST', pathOf(one, query), { 'content-length': '100' }, '4never whole'));
  await new Promise((resolve) => one.target.server.once('request', resolve));
  return connection;
}

/** What a proxy in between may do: the client sees its response end without the mark. */
async function cutStream({ target }: Victim): Promise<string> {
  target.server.closeAllConnections();
  return 'connection cut';
}

export const streamCases: Case[] = [
  {
    input: 'A handshake of revision 3, even with `allowEIO3`',
    async run(start) {
      const target = await start({ allowEIO3: true });
      const answers: string[] = [];
      for (const { transport, getQuery } of counted) {
        for (const eio of ['EIO=3&', 'EIO=5&', '']) {
          answers.push(told(await ask(`${target.url}?${eio}transport=${transport}&resume=1${getQuery(target.url)}`)));
        }
      }
      return { target, answer: same(answers), session: NO_SESSION };
    },
  },
  deeds(
    'An `ack` for a frame that was never sent, or that is no number',
    counted,
    ['100', '-1', '', 'x', '1.5', '0x1', '1e0', '99999999999999999999'],
    async ({ url }, ack) => told(await ask(`${url}&ack=${ack}`)),
  ),
  deeds('The same in a POST', counted, ['100', '-1', '', 'x'], (one, ack) => post(one, `&seq=1&ack=${ack}`, '4x')),
  deeds(
    'A POST whose `seq` leaves one out, is no number, or is missing',
    counted,
    ['&seq=2', '&seq=0', '&seq=-1', '&seq=', '&seq=x', '&seq=1.0', '&seq=0x1', ''],
    (one, query) => post(one, query, '4x'),
  ),
  deed('A POST with the number of one that was applied: it is not applied again', counted, async (one) => {
    await one.client.send(message('once'));
    const answer = await post(one, '&seq=1', '4once');
    if (one.received.join() !== 'once') throw new Error(`the session saw ${JSON.stringify(one.received)}`);
    return answer;
  }),
  deed('A POST with the number of one that is being received: it takes its place', counted, async (one) => {
    const first = await unfinished(one, '&seq=1');
    const answer = await sent(one.client.send(message('whole')));
    if (toldRaw(await first.ended) !== 'connection cut') throw new Error('the first POST was answered');
    return answer;
  }),
  deed('A second POST while one is being received, without resume', plain, async (one) => {
    const first = await unfinished(one, '');
    const answer = await post(one, '', '4second');
    if (toldRaw(await first.ended) !== 'connection cut') throw new Error('the first POST was answered');
    return answer;
  }),
  deed('A second GET while one is open: it takes its place', counted, async ({ url }) => {
    const { status } = await headOf(`${url}&ack=0`);
    return told({ status, text: '' });
  }),
  deed('A second GET while one is open, without resume', plain, async ({ url }) => told(await ask(url))),
  deed('A response that is cut', counted, cutStream),
  deed('A response that is cut, without resume', plain, cutStream),
  deed('A POST that is cut in the middle', counted, async (one) => {
    const connection = await unfinished(one, '&seq=1');
    connection.reset();
    return toldRaw(await connection.ended);
  }),
  deed('A POST that is cut in the middle, without resume', plain, async (one) => {
    const connection = await unfinished(one, '');
    connection.reset();
    return toldRaw(await connection.ended);
  }),
  deed(
    'A POST that never ends',
    [...counted, ...plain],
    (one) => exchange(one.target, requestText('POST', pathOf(one, '&seq=1'), { 'content-length': '100' }, '4slow')),
    { pingInterval: 300, pingTimeout: 300 },
  ),
  deed('A body over `maxHttpBufferSize`', [...counted, ...plain], async (one) =>
    same([
      await exchange(
        one.target,
        requestText('POST', pathOf(one, '&seq=1'), { 'content-length': String(LIMIT + 1) }, '4x'),
      ),
      await post(one, '&seq=1', `4${'x'.repeat(LIMIT)}`),
    ]),
  ),
  deed('A body over `maxHttpBufferSize` with the number of a POST that was applied', counted, async (one) => {
    await one.client.send(message('once'));
    return post(one, '&seq=1', `4${'x'.repeat(LIMIT)}`);
  }),
  deed('An empty body: it only confirms', counted, ({ client }) => sent(client.send())),
  deed('An empty body, without resume', plain, ({ client }) => sent(client.send())),
  deeds<string | Buffer>(
    'A packet type that does not exist, a separator at the end, or bytes that are not UTF-8',
    [...counted, ...plain],
    ['x', '7', '4good\x1e', Buffer.from([0x34, 0xff])],
    (one, body) => post(one, '&seq=1', body),
  ),
  deed('`Content-Type: application/octet-stream`', [...counted, ...plain], (one) =>
    post(one, '&seq=1', Buffer.from([4, 1]), 'application/octet-stream'),
  ),
  deed('A heartbeat in the wrong direction', [...counted, ...plain], (one) => post(one, '&seq=1', '2')),
  deeds(
    'PUT, PATCH, DELETE, OPTIONS or HEAD',
    counted,
    ['PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD'],
    async (one, method) => told(await ask(one.url, { method })),
  ),
  deed('A POST for a streaming transport that no GET has opened', [rowOf('polling/4')], async (one) => {
    const answers: string[] = [];
    for (const { transport } of counted) {
      for (const body of ['2probe', '5', '4x']) {
        const url = one.url.replace('polling', transport);
        answers.push(told(await ask(`${url}&seq=1`, { method: 'POST', body })));
      }
    }
    if (one.session.upgrading) throw new Error('a candidate was made');
    return same(answers);
  }),
  deed('A candidate that sends anything but `2probe` and `5`', [rowOf('polling/4')], async (one) => {
    const answers: string[] = [];
    for (const row of counted) {
      for (const body of ['4x', '2', '1', '0']) {
        const url = one.url.replace('polling', row.transport);
        const candidate = row.candidate(one.target, one.client.sid);
        await candidate.opened;
        answers.push(told(await ask(`${url}&seq=1`, { method: 'POST', body })));
        await candidate.closed;
      }
    }
    return same(answers);
  }),
];
