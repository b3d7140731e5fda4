/**
 * What a server sends at a pace to clients that have no WebSocket: live streams of ours, polling of ours and of socket.io,
 * SockJS over xhr-streaming, and a bare event stream as the floor.
 */
import { PUSH } from '../figures.js';
import { inRounds } from '../stands.js';
import { broadcast, pushed } from '../work.js';
import { OWN_FALLBACKS, SOCKET_IO_POLLING } from './peers.js';

export const SOCKJS = { id: 'sockjs/xhr-streaming', peer: 'sockjs', transport: 'xhr-streaming' };
const BARE_SSE = { id: 'sse', peer: 'sse', transport: 'sse' };

export const push = {
  name: 'push',
  title: 'server-side emit every 50 ms to 200 clients without WebSocket, for a delivered message',
  figures: PUSH,
  ratioOf: ['cpu', 'p99'],
  rows: [BARE_SSE, SOCKJS, SOCKET_IO_POLLING, ...OWN_FALLBACKS],
  settings: { connections: 200, units: 25, warmUp: 60, intervalMs: 50, rounds: 5 },
  quick: { units: 8, warmUp: 8, rounds: 2 },

  run(context, settings, rows) {
    const { units, warmUp, intervalMs } = settings;
    return inRounds(context, {
      rows,
      settings,
      warmUp: (stand) => broadcast(stand, warmUp, { intervalMs }),
      async measure(stand) {
        await broadcast(stand, Math.ceil(units / 10), { intervalMs });
        return pushed(stand, units, { intervalMs });
      },
    });
  },
};
