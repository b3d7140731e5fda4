/**
 * What a server sends at a pace to clients that have no WebSocket: live streams of ours, polling of ours and of socket.io,
 * SockJS over xhr-streaming, and a bare event stream as the floor.
 */
import { PUSH } from '../figures.js';
import { inRounds } from '../stands.js';
import { broadcast, pushed } from '../work.js';
import { BARE_SSE, FAIR_PAIRS, ours, SOCKET_IO_POLLING, SOCKJS } from './peers.js';

export const push = {
  name: 'push',
  title: 'server-side emit every 200 ms to 1,000 clients without WebSocket, for a delivered message',
  figures: PUSH,
  ratioOf: ['cpu', 'p99'],
  pairs: FAIR_PAIRS,
  rows: [BARE_SSE, SOCKJS, SOCKET_IO_POLLING, ...['eventsource', 'multipart', 'polling'].map(ours)],
  // so many that what a client takes adds up to what the last one waits for
  settings: { connections: 1000, units: 10, warmUp: 30, intervalMs: 200, rounds: 3 },
  quick: { units: 4, warmUp: 10, rounds: 2 },

  run(context, settings, rows) {
    const { units, warmUp, intervalMs } = settings;
    return inRounds(context, {
      rows,
      settings,
      warmUp: (stand) => broadcast(stand, warmUp, { step: 1 }),
      async measure(stand) {
        await broadcast(stand, Math.ceil(units / 10), { intervalMs });
        return pushed(stand, units, { intervalMs });
      },
    });
  },
};
