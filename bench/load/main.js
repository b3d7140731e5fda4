/** The load generator, in a process of its own, driven over IPC by `bench/run.js` (same calls as `servers/main.ts`). */
import { Load } from './load.js';

let load;

const commands = {
  /** What `Load`'s constructor and `open()` take, in one. */
  async open(options) {
    load = new Load(options);
    await load.open(options);
  },
  /** A load without connections: for `visits`. */
  prepare(options) {
    load = new Load(options);
  },
  cpu: () => process.cpuUsage(),
  async blocked(options) {
    const { visitThroughProxy } = await import('./blocked.js');
    return visitThroughProxy(options);
  },
};

for (const name of ['run', 'pings', 'visits', 'hear', 'latencies', 'pause', 'tally', 'close']) {
  commands[name] = (args) => load[name](args);
}

process.on('message', ({ id, command, args }) => {
  Promise.resolve()
    .then(() => commands[command](args))
    .then(
      (result) => process.send({ id, result }),
      (error) => process.send({ id, error: error.stack }),
    );
});
process.on('disconnect', () => process.exit());
process.send({ ready: true });
