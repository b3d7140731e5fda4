/**
 * Real clients, socket.io-client and ours, behind a proxy that lets no WebSocket through (`blockingProxy`): the time until they have
 * the answer to a first message. `refused`: the proxy answers 403; `silent`: it does not answer. Ours tries WebSocket first, and
 * knows better at its second visit; the stock client begins by polling.
 */
import { CPU } from '../figures.js';
import { inRounds } from '../stands.js';
import { median } from '../stats.js';
import { NESTWIRE, SOCKET_IO } from './peers.js';

const NETWORKS = { refused: 403, silent: 'nothing' };

const rows = Object.keys(NETWORKS).flatMap((network) => [
  { ...SOCKET_IO, id: `stock client, ${network}`, client: 'stock', network },
  { ...NESTWIRE, id: `nestwire, ${network}`, client: 'nestwire', network },
]);

export const blocked = {
  name: 'blocked',
  title: 'real clients one by one behind a proxy that blocks WebSocket, until their first answer',
  figures: [
    { key: 'first', title: 'ms, first visit', digits: 1 },
    { key: 'again', title: 'ms, later visits', digits: 1 },
    { ...CPU, title: 'µs CPU a visit' },
    { key: 'streams', title: 'later visits over a stream', digits: 2 },
  ],
  ratioOf: ['first', 'again', 'cpu'],
  pairs: Object.keys(NETWORKS).map((network) => [`nestwire, ${network}`, `stock client, ${network}`]),
  rows,
  settings: { visits: 10, rounds: 3 },
  quick: { visits: 3, rounds: 2 },

  run(context, settings, chosen) {
    const visit = async ({ row, server, load }) => {
      const { client, network } = row;
      const options = { client, port: server.ready, answer: NETWORKS[network], count: settings.visits };
      const [first, ...later] = await load.call('blocked', options);
      const streams = later.filter(({ transport }) => transport === 'eventsource').length / later.length;
      return { first: first.ms, again: median(later.map(({ ms }) => ms)), streams };
    };
    return inRounds(context, {
      rows: chosen,
      settings,
      opens: false,
      warmUp: visit,
      measure: (stand) => stand.measured(settings.visits, () => visit(stand)),
    });
  },
};
