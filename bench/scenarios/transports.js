/**
 * What a message costs the server over each of our transports: sent at a pace to 200 clients, and echoed through a guard with
 * one in flight on each of them.
 */
import { SERVER_BUSY } from '../figures.js';
import { inRounds } from '../stands.js';
import { broadcast, echo, pushed } from '../work.js';
import { OWN_ROWS } from './peers.js';

const [WEBSOCKET, ...OTHERS] = OWN_ROWS.map(({ id }) => id);

export const transports = {
  name: 'transports',
  title: 'a message over each transport of ours: sent every 50 ms to 200 clients, and echoed',
  figures: [
    { key: 'push', title: 'µs CPU, pushed', digits: 1 },
    { key: 'echo', title: 'µs CPU, echoed', digits: 1 },
    { key: 'p50', title: 'ms, median', digits: 2 },
    { key: 'p99', title: 'ms, 99 %', digits: 2 },
    SERVER_BUSY,
  ],
  ratioOf: ['push', 'echo'],
  pairs: OTHERS.map((id) => [id, WEBSOCKET]),
  rows: OWN_ROWS,
  settings: { connections: 200, emits: 25, messages: 3000, warmUp: 100, warmUpEchoes: 9000, intervalMs: 50, rounds: 4 },
  quick: { emits: 8, messages: 600, warmUp: 40, warmUpEchoes: 2000, rounds: 2 },

  run(context, settings, rows) {
    const { emits, messages, warmUp, warmUpEchoes, intervalMs } = settings;
    return inRounds(context, {
      rows,
      settings,
      async warmUp(stand) {
        await broadcast(stand, warmUp, { step: 1 });
        await echo(stand, warmUpEchoes, 1);
      },
      async measure(stand) {
        const { cpu, p50, p99 } = await pushed(stand, emits, { intervalMs });
        await echo(stand, messages / 10, 1);
        const echoed = await stand.measured(messages, () => echo(stand, messages, 1));
        return { push: cpu, echo: echoed.cpu, p50, p99, serverBusy: echoed.serverBusy, loadBusy: echoed.loadBusy };
      },
    });
  },
};
