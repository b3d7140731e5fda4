/**
 * CPU of an echo with 100 requests in flight altogether, whether they belong to 100 connections or to 8,000: each answer is followed
 * by a request of the next connection.
 */
import { THROUGHPUT } from '../figures.js';
import { inRounds } from '../stands.js';
import { NESTWIRE, SOCKET_IO } from './peers.js';

const SIZES = [100, 1000, 8000];

const rowsOf = (row) => SIZES.map((connections) => ({ ...row, id: `${row.id}, ${connections}`, connections }));

const pairsOf = ({ id }) => SIZES.slice(1).map((size) => [`${id}, ${size}`, `${id}, ${SIZES[0]}`]);

function run({ load }, messages) {
  return load.call('run', { messages, inFlight: SIZES[0], isSpread: true });
}

export const growth = {
  name: 'growth',
  title: 'echo through a guard with 100 in flight in all, over 100, 1,000 and 8,000 connections',
  figures: THROUGHPUT,
  rows: [SOCKET_IO, NESTWIRE].flatMap(rowsOf),
  pairs: [
    ...[NESTWIRE, SOCKET_IO].flatMap(pairsOf),
    ...SIZES.map((size) => [`nestwire, ${size}`, `platform-socket.io, ${size}`]),
  ],
  settings: { units: 16_000, warmUp: 24_000, rounds: 5 },
  quick: { units: 4000, warmUp: 4000, rounds: 2 },

  async run(context, settings, rows) {
    const result = await inRounds(context, {
      rows,
      settings,
      async warmUp(stand) {
        await stand.counts(stand.connections);
        await run(stand, settings.warmUp);
      },
      async measure(stand) {
        await run(stand, Math.ceil(settings.units / 10));
        return stand.measured(settings.units, () => run(stand, settings.units));
      },
    });
    return { ...result, notes: [`connections that were reached: ${rows.map(({ id }) => id).join('; ')}`] };
  },
};
