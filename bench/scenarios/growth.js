/**
 * CPU of an echo with 100 requests in flight altogether, whether they belong to 100 connections or to 8,000: each answer is followed
 * by a request of the next connection.
 */
import { THROUGHPUT } from '../figures.js';
import { machine } from '../machine.js';
import { inRounds } from '../stands.js';
import { NESTWIRE, SOCKET_IO } from './peers.js';

/** Requests on all connections together. */
const IN_FLIGHT = 100;

const PEERS = [SOCKET_IO, NESTWIRE];

/** Descriptors that a process needs beside those of its connections. */
const SPARE_DESCRIPTORS = 200;

/** A row for each size; those for which the process may not have enough descriptors are left out, and it is said. */
function rowsOf({ sizes }) {
  const { descriptors } = machine();
  return sizes
    .filter((size) => descriptors === null || size + SPARE_DESCRIPTORS <= descriptors)
    .flatMap((connections) => PEERS.map((row) => ({ ...row, id: `${row.id}, ${connections}`, connections })));
}

function pairsOf({ sizes: [least, ...others] }) {
  const grown = PEERS.flatMap(({ id }) => others.map((size) => [`${id}, ${size}`, `${id}, ${least}`]));
  const beside = [least, ...others].map((size) => [`nestwire, ${size}`, `platform-socket.io, ${size}`]);
  return [...grown, ...beside];
}

function run({ load }, messages) {
  return load.call('run', { messages, inFlight: IN_FLIGHT, isSpread: true });
}

export const growth = {
  name: 'growth',
  title: ({ sizes }) => `echo through a guard with ${IN_FLIGHT} in flight in all, over ${sizes.join(', ')} connections`,
  figures: THROUGHPUT,
  rows: rowsOf,
  pairs: pairsOf,
  settings: { sizes: [100, 1000, 8000], units: 12_000, warmUp: 24_000, rounds: 3 },
  quick: { sizes: [100, 1000], units: 4000, warmUp: 4000, rounds: 2 },

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
    const most = Math.max(...rows.map(({ connections }) => connections));
    const { descriptors } = machine();
    return {
      ...result,
      notes: [`Reached: ${most} connections; a process may have ${descriptors ?? 'any number of'} files.`],
    };
  },
};
