/**
 * Emits to everybody. In `broadcast-200` and `broadcast-2000` an emit waits until all clients have the one before, so there is
 * nothing that a server could join, and every delivery is a write. In `broadcast-storm` one follows each turn of the event loop.
 */
import { CPU, KERNEL, LAST, LOAD_BUSY, SERVER_BUSY } from '../figures.js';
import { inRounds } from '../stands.js';
import { broadcast, pushed } from '../work.js';
import { FAIR_PAIRS, OWN_ROWS, SOCKET_IO_POLLING, WEBSOCKET_PEERS } from './peers.js';

const PEERS = WEBSOCKET_PEERS.filter(({ peer }) => peer !== 'nestwire');
const EVERY_TRANSPORT = [...PEERS, SOCKET_IO_POLLING, ...OWN_ROWS];
/** With thousands of clients each row takes its time to begin: those that are on unless the options say otherwise. */
const DEFAULT_TRANSPORTS = ['nestwire', 'nestwire/eventsource', 'nestwire/polling'];
const MAIN_TRANSPORTS = [...PEERS, SOCKET_IO_POLLING, ...OWN_ROWS.filter(({ id }) => DEFAULT_TRANSPORTS.includes(id))];

function measure(context, settings, rows) {
  const { units, warmUp, step } = settings;
  return inRounds(context, {
    rows,
    settings,
    warmUp: (stand) => broadcast(stand, warmUp, { step }),
    async measure(stand) {
      await broadcast(stand, Math.ceil(units / 10), { step });
      return pushed(stand, units, { step });
    },
  });
}

const oneByOne = ({ connections }) =>
  `server-side emit to ${connections} clients, one at a time, for a delivered message`;

const COMMON = {
  pairs: FAIR_PAIRS,
  title: oneByOne,
  figures: [CPU, KERNEL, LAST, SERVER_BUSY, LOAD_BUSY],
  run: measure,
};

export const broadcast200 = {
  ...COMMON,
  name: 'broadcast-200',
  rows: EVERY_TRANSPORT,
  settings: { connections: 200, units: 60, warmUp: 100, step: 1, rounds: 4 },
  quick: { units: 15, warmUp: 40, rounds: 2 },
};

export const broadcast2000 = {
  ...COMMON,
  name: 'broadcast-2000',
  rows: MAIN_TRANSPORTS,
  settings: { connections: 2000, units: 10, warmUp: 10, step: 1, rounds: 3 },
  quick: { connections: 500, units: 4, warmUp: 2, rounds: 2 },
};

export const broadcastStorm = {
  ...COMMON,
  name: 'broadcast-storm',
  title: 'server-side emit to 200 clients in each turn of the event loop, for a delivered message',
  rows: WEBSOCKET_PEERS,
  settings: { connections: 200, units: 200, warmUp: 400, rounds: 4 },
  quick: { units: 50, warmUp: 50, rounds: 2 },
};
