/** Heap that is left after thousands of clients have come, sent a message, and gone: a stream each must leave nothing. */
import { resultOf, Stand } from '../stands.js';
import { echo } from '../work.js';
import { stream10 } from './stream.js';

export const churn = {
  name: 'churn',
  title: 'heap that is left after clients have come, sent a message, and gone',
  isOptional: true,
  figures: [
    { key: 'left', title: 'left KB', digits: 1 },
    { key: 'each', title: 'bytes a client', digits: 1 },
  ],
  ratioOf: [],
  rows: stream10.rows,
  settings: { connections: 1000, cycles: 40, rounds: 1 },
  quick: { connections: 200, cycles: 5 },

  async run(context, { connections, cycles }, rows) {
    const stands = [];
    for (const row of rows) {
      const stand = await Stand.start({ ...row, connections, execArgv: ['--expose-gc'] });
      const visit = async () => {
        await stand.open();
        await echo(stand, connections, 1);
        await stand.close();
      };
      try {
        await visit();
        const { heapUsed: before } = await stand.server.call('memory');
        for (let cycle = 0; cycle < cycles; cycle++) {
          context.progress(`${row.id}, ${cycle} of ${cycles}`);
          await visit();
        }
        const left = (await stand.server.call('memory')).heapUsed - before;
        stand.add({ left: left / 1024, each: left / cycles / connections });
      } finally {
        await stand.stop();
      }
      stands.push(stand);
    }
    return resultOf(stands);
  },
};
