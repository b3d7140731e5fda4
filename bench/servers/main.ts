/**
 * One server under test, in a process of its own: `node main.js <peer> [<options as JSON>]`, driven over IPC by
 * `bench/run.js`. A call is `{ id, command, args }`, its answer `{ id, result }` or `{ id, error }`.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { Session, type Profiler } from 'node:inspector/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { BARE_PEERS } from './bare.js';
import { startNest } from './nest.js';
import type { ServerOptions } from './options.js';
import type { Peer } from './peer.js';
import type { Tally } from './tally.js';

interface Call {
  id: number;
  command: keyof typeof commands;
  args: never;
}

interface Broadcast {
  from: number;
  count: number;
  perTurn: number;
  intervalMs: number;
  text: string;
}

/** Emits between two looks at the memory of a server that is asked for its peak. */
const SAMPLE_EVERY = 50;

const [name = '', json = '{}'] = process.argv.slice(2);
const peer: Peer = await (BARE_PEERS[name]?.() ?? startNest(name, JSON.parse(json) as ServerOptions));
let inspector: Session | undefined;

const commands = {
  /**
   * Microseconds of CPU that this process has used, in user space and in the kernel, by all its threads, and how often
   * another process took its core away.
   */
  cpu(): NodeJS.CpuUsage & { preempted: number } {
    return { ...process.cpuUsage(), preempted: process.resourceUsage().involuntaryContextSwitches };
  },

  /** Memory after garbage collection, in bytes; needs --expose-gc. */
  async memory(): Promise<NodeJS.MemoryUsage> {
    // Finalizers and pools give memory back over several turns: collect until two collections agree.
    let before = Infinity;
    for (let tries = 0; tries < 20; tries++) {
      await delay(50);
      globalThis.gc?.();
      const usage = process.memoryUsage();
      if (Math.abs(before - usage.heapUsed) < 2048) return usage;
      before = usage.heapUsed;
    }
    return process.memoryUsage();
  },

  tally(): Tally | undefined {
    return peer.tally;
  },

  clients(): number {
    return peer.clients();
  },

  /** Requests and upgrades of other nodes' sessions that came to this process so far. */
  forwarded(): number {
    return peer.forwarded?.() ?? 0;
  },

  /**
   * Broadcasts `count` payloads, numbered from `from` on, `perTurn` at a time: in the next turn of the event loop, or
   * `intervalMs` after the last time. Answers with when each was emitted, in milliseconds of the monotonic clock, which
   * all processes of a machine share.
   */
  async broadcast({ from, count, perTurn, intervalMs, text }: Broadcast): Promise<number[]> {
    const emitted: number[] = [];
    for (let sent = 0; sent < count; sent++) {
      if (sent > 0 && sent % perTurn === 0) await (intervalMs > 0 ? delay(intervalMs) : nextTurn());
      emitted.push(Number(process.hrtime.bigint()) / 1e6);
      peer.broadcast({ seq: 1000 + ((from + sent) % 1000), text });
    }
    return emitted;
  },

  /**
   * The same, and looks at the memory meanwhile. Answers with the most that was held, in bytes, after garbage collection; needs
   * --expose-gc.
   */
  async peak(order: Broadcast): Promise<number> {
    let peak = 0;
    for (let sent = 0; sent < order.count; sent += SAMPLE_EVERY) {
      const count = Math.min(SAMPLE_EVERY, order.count - sent);
      await commands.broadcast({ ...order, from: order.from + sent, count });
      globalThis.gc?.();
      const { heapUsed, external } = process.memoryUsage();
      peak = Math.max(peak, heapUsed + external);
    }
    return peak;
  },

  async profileStart({ intervalMicros }: { intervalMicros: number }): Promise<void> {
    inspector = new Session();
    inspector.connect();
    await inspector.post('Profiler.enable');
    await inspector.post('Profiler.setSamplingInterval', { interval: intervalMicros });
    await inspector.post('Profiler.start');
  },

  /** Writes the profile below `directory` and answers with its path. */
  async profileStop({ directory, label }: { directory: string; label: string }): Promise<string> {
    const { profile } = (await inspector!.post('Profiler.stop')) as Profiler.StopReturnType;
    inspector!.disconnect();
    await mkdir(directory, { recursive: true });
    const file = join(directory, `${name}-${label}.cpuprofile`);
    await writeFile(file, JSON.stringify(profile));
    return file;
  },

  /** Ends the server; the process ends with it, or something is left open. */
  async close(): Promise<void> {
    await peer.close();
    process.disconnect();
  },
};

process.on('message', ({ id, command, args }: Call) => {
  void Promise.resolve()
    .then((): unknown => commands[command](args))
    .then(
      (result) => process.connected && process.send!({ id, result }),
      (error: Error) => process.connected && process.send!({ id, error: error.stack }),
    );
});
// The parent is gone: nobody is left to measure for.
process.on('disconnect', () => setTimeout(() => process.exit(), 2000).unref());
process.send!({ ready: peer.port });
