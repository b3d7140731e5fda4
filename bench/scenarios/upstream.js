/** Messages that nothing answers, one a POST, through a guard: the way up of clients without WebSocket. */
import { setTimeout as delay } from 'node:timers/promises';
import { THROUGHPUT } from '../figures.js';
import { inRounds } from '../stands.js';
import { echo } from '../work.js';
import { FAIR_PAIRS, OWN_FALLBACKS, SOCKET_IO_POLLING, SOCKJS } from './peers.js';

/** Milliseconds that a server has to deal with what it has accepted. */
const PATIENCE = 10_000;

/** Sends, and waits until the server has counted all that was sent since the beginning. */
async function send(stand, messages) {
  await echo(stand, messages, 1);
  const expected = await stand.load.call('tally');
  const deadline = performance.now() + PATIENCE;
  for (;;) {
    const counted = await stand.server.call('tally');
    if (counted.count === expected.count && counted.sum === expected.sum) return;
    if (performance.now() > deadline) {
      throw new Error(`${stand.row.id} counts ${JSON.stringify(counted)} instead of ${JSON.stringify(expected)}`);
    }
    await delay(1);
  }
}

export const upstream = {
  name: 'upstream',
  title: 'messages of clients without WebSocket, one a POST, 50 connections',
  figures: THROUGHPUT,
  pairs: FAIR_PAIRS,
  rows: [SOCKJS, SOCKET_IO_POLLING, ...OWN_FALLBACKS].map((row) => ({ ...row, gateway: 'notice', isOneWay: true })),
  settings: { connections: 50, units: 3000, warmUp: 6000, rounds: 3 },
  quick: { units: 800, warmUp: 800, rounds: 2 },

  run(context, settings, rows) {
    return inRounds(context, {
      rows,
      settings,
      warmUp: (stand) => send(stand, settings.warmUp),
      async measure(stand) {
        await send(stand, Math.ceil(settings.units / 10));
        return stand.measured(settings.units, () => send(stand, settings.units));
      },
    });
  },
};
