/**
 * Many clients come at once: CPU of the server for each, until it is in its namespace. Then some come one after the other: the
 * time until they have the answer to a first message. `upgraded` is what stock clients do: polling, then WebSocket.
 */
import { CPU, KERNEL, LOAD_BUSY, RATE, SERVER_BUSY } from '../figures.js';
import { inRounds } from '../stands.js';
import { median } from '../stats.js';
import { BARE_WS, FAIR_PAIRS, ours, OWN_ROWS, PLATFORM_WS, SOCKET_IO, SOCKET_IO_POLLING, SOCKJS } from './peers.js';

/** Adapters bind the gateway's handlers to each client: one would be nobody's gateway. */
const HANDLERS = 20;

const UPGRADED = [
  { ...SOCKET_IO, id: 'platform-socket.io/upgraded', transport: 'upgraded' },
  { ...ours('websocket'), id: 'nestwire/upgraded', transport: 'upgraded' },
];

async function storm(stand) {
  const figures = await stand.measured(stand.row.connections, () => stand.open());
  await stand.counts(stand.row.connections);
  await stand.close();
  return figures;
}

export const connect = {
  name: 'connect',
  title: `clients that connect, 50 at a time, for each; then one by one, until their first answer; ${HANDLERS} handlers`,
  figures: [
    { ...CPU, title: 'µs CPU a client' },
    KERNEL,
    { ...RATE, title: 'clients/s' },
    { key: 'first', title: 'ms to the first answer', digits: 2 },
    SERVER_BUSY,
    LOAD_BUSY,
  ],
  ratioOf: ['cpu', 'first'],
  pairs: FAIR_PAIRS,
  rows: [SOCKJS, BARE_WS, PLATFORM_WS, SOCKET_IO, SOCKET_IO_POLLING, ...UPGRADED, ...OWN_ROWS].map((row) => ({
    ...row,
    handlers: HANDLERS,
  })),
  settings: { connections: 300, warmUp: 4, visits: 10, rounds: 3 },
  quick: { connections: 100, warmUp: 3, visits: 5, rounds: 2 },

  run(context, settings, rows) {
    return inRounds(context, {
      rows,
      settings,
      opens: false,
      async warmUp(stand) {
        for (let i = 0; i < settings.warmUp; i++) await storm(stand);
      },
      async measure(stand) {
        const figures = await storm(stand);
        const { peer, transport } = stand.row;
        await stand.load.call('prepare', { peer, transport });
        const visits = { port: stand.server.ready, count: settings.visits };
        const first = median(await stand.load.call('visits', visits));
        await stand.counts(0);
        return { ...figures, first };
      },
    });
  },
};
