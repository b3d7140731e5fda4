/** Memory that a connection costs which has done its handshake and is silent, after garbage collection; a new server each time. */
import { Stand, resultOf } from '../stands.js';
import { WEBSOCKET_PEERS } from './peers.js';

/** What a server allocates once, at its first clients, is not a cost of each. */
const FIRST_CLIENTS = 200;

async function memoryOf(stand, connections) {
  await stand.open(FIRST_CLIENTS);
  await stand.close();
  const empty = await stand.server.call('memory');
  await stand.open(connections);
  await stand.counts(connections);
  const full = await stand.server.call('memory');
  await stand.close();
  const after = await stand.server.call('memory');
  const kilobytes = (bytes) => bytes / connections / 1024;
  return {
    heap: kilobytes(full.heapUsed - empty.heapUsed),
    external: kilobytes(full.external - empty.external),
    rss: kilobytes(full.rss - empty.rss),
    left: kilobytes(after.heapUsed - empty.heapUsed),
  };
}

async function measure(context, settings, rows) {
  const results = rows.map((row) => ({ row, samples: {} }));
  for (let round = 0; round < settings.rounds; round++) {
    for (const { row, samples } of results) {
      context.progress(`round ${round + 1} of ${settings.rounds}, ${row.id}`);
      const stand = await Stand.start({ ...row, handlers: settings.handlers, execArgv: ['--expose-gc'] });
      stand.samples = samples;
      try {
        stand.add(await memoryOf(stand, settings.connections));
      } finally {
        await stand.stop();
      }
    }
  }
  return resultOf(results);
}

const COMMON = {
  title: ({ connections, handlers }) =>
    `memory of an idle connection, handlers of the gateway: ${handlers}, connections: ${connections}`,
  figures: [
    { key: 'heap', title: 'heap KB', digits: 1 },
    { key: 'external', title: 'external KB', digits: 1 },
    { key: 'rss', title: 'rss KB', digits: 1 },
    { key: 'left', title: 'left KB', digits: 2 },
  ],
  ratioOf: ['heap', 'rss'],
  rows: WEBSOCKET_PEERS,
  run: measure,
};

export const heap1 = {
  ...COMMON,
  name: 'heap1',
  settings: { connections: 5000, handlers: 1, rounds: 1 },
  quick: { connections: 500, rounds: 1 },
};

export const heap20 = {
  ...COMMON,
  name: 'heap20',
  settings: { connections: 5000, handlers: 20, rounds: 1 },
  quick: { connections: 500, rounds: 1 },
};
