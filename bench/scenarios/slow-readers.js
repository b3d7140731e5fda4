/**
 * One client in ten reads nothing while the server broadcasts: what it holds then, at most, beyond what it held before. Ours has
 * `limits.maxBufferedBytes` of 1 MiB, and its slow readers are ended when they have that much; the others have no such limit.
 */
import { TEXT } from '../load/dialects.js';
import { resultOf, Stand } from '../stands.js';
import { BARE_WS, NESTWIRE, PLATFORM_WS, SOCKET_IO } from './peers.js';

const LIMIT = 1024 * 1024;

/** Length of the text of a broadcast. */
const BYTES = 16_384;

const NEWS = TEXT.repeat(Math.ceil(BYTES / TEXT.length)).slice(0, BYTES);

async function hold(stand, { connections, slow, units, step }) {
  await stand.open(connections);
  const before = await stand.server.call('memory');
  await stand.load.call('pause', { count: slow });
  let peak = 0;
  for (let done = 0; done < units; done += step) {
    const order = { from: done, count: step, perTurn: 1, intervalMs: 0, text: NEWS };
    const [held] = await Promise.all([stand.server.call('peak', order), stand.load.call('hear', { broadcasts: step })]);
    peak = Math.max(peak, held);
  }
  const clients = await stand.server.call('clients');
  await stand.close();
  const held = peak - before.heapUsed - before.external;
  return { held: held / 1024 / 1024, share: held / (slow * LIMIT), ended: connections - clients };
}

export const slowReaders = {
  name: 'slow-readers',
  title: 'broadcasts of 16 KB to 50 clients of which 5 do not read',
  figures: [
    { key: 'held', title: 'MB held at most', digits: 1 },
    { key: 'share', title: 'of the limit of slow readers', digits: 2 },
    { key: 'ended', title: 'slow readers ended', digits: 0 },
  ],
  ratioOf: ['held'],
  rows: [BARE_WS, PLATFORM_WS, SOCKET_IO, { ...NESTWIRE, nestwire: { limits: { maxBufferedBytes: LIMIT } } }],
  settings: { connections: 50, slow: 5, units: 2000, step: 50, rounds: 1 },
  quick: { units: 500, rounds: 1 },

  async run(context, settings, rows) {
    const results = rows.map((row) => ({ row, samples: {} }));
    for (let round = 0; round < settings.rounds; round++) {
      for (const { row, samples } of results) {
        context.progress(`round ${round + 1} of ${settings.rounds}, ${row.id}`);
        const stand = await Stand.start({ ...row, newsBytes: BYTES, execArgv: ['--expose-gc'] });
        stand.samples = samples;
        try {
          stand.add(await hold(stand, settings));
        } finally {
          await stand.stop();
        }
      }
    }
    return resultOf(results);
  },
};
