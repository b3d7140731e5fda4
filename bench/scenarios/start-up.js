/** From the start of the process until a Nest application with one gateway listens. */
import { startApplication } from '../processes.js';
import { resultOf } from '../stands.js';
import { NESTWIRE, PLATFORM_WS, SOCKET_IO } from './peers.js';

export const startUp = {
  name: 'start-up',
  title: 'start of a process until its Nest application listens',
  figures: [
    { key: 'ms', title: 'ms', digits: 0 },
    { key: 'cpu', title: 'ms CPU', digits: 0 },
  ],
  ratioOf: ['ms', 'cpu'],
  rows: [SOCKET_IO, PLATFORM_WS, NESTWIRE],
  settings: { rounds: 11 },
  quick: { rounds: 3 },

  async run(context, { rounds }, rows) {
    const results = rows.map((row) => ({ row, samples: { ms: [], cpu: [] } }));
    // the first start of each fills the caches of the file system
    for (let round = 0; round <= rounds; round++) {
      for (const { row, samples } of results) {
        context.progress(`round ${round} of ${rounds}, ${row.id}`);
        const application = await startApplication(row.peer);
        await application.stop();
        if (round === 0) continue;
        samples.ms.push(application.startedIn);
        samples.cpu.push(application.ready.cpu / 1000);
      }
    }
    return resultOf(results);
  },
};
