/** A message with acknowledgement, through a guard, over WebSocket. `net` is what the connection alone costs. */
import { THROUGHPUT } from '../figures.js';
import { inRounds } from '../stands.js';
import { echo } from '../work.js';
import { WEBSOCKET_PEERS } from './peers.js';

const NET = { id: 'net', peer: 'net', transport: 'net' };

/** Of rows whose connections keep `inFlight` requests each in the air. */
export async function measureEcho(context, settings, rows) {
  const { units, warmUp, inFlight } = settings;
  return inRounds(context, {
    rows,
    settings,
    warmUp: (stand) => echo(stand, warmUp, inFlight),
    async measure(stand) {
      await echo(stand, Math.ceil(units / 10), inFlight);
      return stand.measured(units, () => echo(stand, units, inFlight));
    },
  });
}

const COMMON = {
  figures: THROUGHPUT,
  rows: [NET, ...WEBSOCKET_PEERS],
  run: measureEcho,
};

export const echo10 = {
  ...COMMON,
  name: 'echo10',
  title: 'echo with acknowledgement through a guard, 50 connections, 10 in flight each',
  settings: { connections: 50, inFlight: 10, units: 25_000, warmUp: 40_000, rounds: 5 },
  quick: { units: 5000, warmUp: 5000, rounds: 2 },
};

export const echo1 = {
  ...COMMON,
  name: 'echo1',
  title: 'echo with acknowledgement through a guard, 50 connections, 1 in flight each',
  settings: { connections: 50, inFlight: 1, units: 12_000, warmUp: 20_000, rounds: 4 },
  quick: { units: 3000, warmUp: 3000, rounds: 2 },
};
