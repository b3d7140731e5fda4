/**
 * Rows of a scenario side by side. Each has a server on core 0 and a load generator on core 1, of its own, from the beginning
 * of the scenario to its end; they take turns, so only one of them works at a time, and what changes on the machine meanwhile
 * meets all of them.
 *
 * A row: `id`; `peer`, `gateway`, `handlers`, `nestwire`, `execArgv` for the server; `transport`, `kind`, `bytes`, `newsBytes`,
 * `isOneWay`, `connections` for the load.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { startLoad, startServer } from './processes.js';
import { median } from './stats.js';

/** Milliseconds that a server has to notice who came and went. */
const PATIENCE = 20_000;

/** A load that works more than this share of the time could be what is measured, unless the server does so, too. */
const BUSY = 0.9;

/** The server and the load of a row. */
export class Stand {
  emitted = 0;
  samples = {};

  static async start(row) {
    const stand = new Stand();
    stand.row = { transport: 'websocket', ...row };
    const { peer, gateway, handlers, nestwire, execArgv } = row;
    // on cores of their own
    const [server, load] = await Promise.allSettled([
      startServer(peer, { gateway, handlers, nestwire, execArgv }),
      startLoad(),
    ]);
    stand.server = server.value;
    stand.load = load.value;
    const failed = [server, load].find(({ status }) => status === 'rejected');
    if (failed !== undefined) {
      await stand.stop();
      throw failed.reason;
    }
    return stand;
  }

  /** Opens the connections of the row, or as many as are asked for. */
  open(connections = this.row.connections) {
    this.connections = connections;
    const { peer, transport, kind, bytes, newsBytes, isOneWay } = this.row;
    const options = { peer, transport, kind, bytes, newsBytes, isOneWay };
    return this.load.call('open', { ...options, port: this.server.ready, connections });
  }

  /** Closes them, which fails when anything was wrong, and waits until the server has noticed. */
  async close() {
    await this.load.call('close');
    await this.counts(0);
  }

  /** Waits until the server counts that many clients. */
  async counts(clients) {
    const deadline = performance.now() + PATIENCE;
    for (;;) {
      const counted = await this.server.call('clients');
      if (counted === clients) return;
      if (performance.now() > deadline) {
        throw new Error(`${this.row.id}: the server counts ${counted} clients instead of ${clients}`);
      }
      await delay(20);
    }
  }

  /**
   * Runs `work` between two looks at the CPU clocks: microseconds of CPU for each of `count` messages, messages a second, and
   * the shares of the time in which server and load worked. What `work` answers with is added.
   */
  async measured(count, work) {
    const [serverBefore, loadBefore] = await this.clocks();
    const start = performance.now();
    const more = await work();
    const micros = (performance.now() - start) * 1000;
    const [serverAfter, loadAfter] = await this.clocks();
    const used = (before, after) => after.user - before.user + after.system - before.system;
    const ofServer = used(serverBefore, serverAfter);
    return {
      cpu: ofServer / count,
      kernel: (serverAfter.system - serverBefore.system) / count,
      rate: (count / micros) * 1e6,
      serverBusy: ofServer / micros,
      loadBusy: used(loadBefore, loadAfter) / micros,
      preempted: ((serverAfter.preempted - serverBefore.preempted) / micros) * 1e6,
      ...more,
    };
  }

  clocks() {
    return Promise.all([this.server.call('cpu'), this.load.call('cpu')]);
  }

  /** The figures of one round more. */
  add(figures) {
    for (const [key, value] of Object.entries(figures)) (this.samples[key] ??= []).push(value);
  }

  async stop() {
    await Promise.all([this.load?.stop(), this.server?.stop()]);
  }
}

/**
 * Starts a stand for each row, opens its connections, and calls `warmUp(stand)` once and `measure(stand)` in each round: what
 * that answers with are the figures of the round.
 *
 * @returns the result of the scenario: `rows` with `samples`, and `warnings`.
 */
export async function inRounds(context, { rows, settings, opens = true, warmUp, measure }) {
  const stands = [];
  try {
    for (const row of rows) {
      context.progress(`starting ${row.id}`);
      const stand = await Stand.start({ connections: settings.connections, ...row });
      stands.push(stand);
      if (opens) await stand.open();
      await warmUp?.(stand);
    }
    for (let round = 0; round < settings.rounds; round++) {
      for (const stand of turned(stands, round)) {
        context.progress(`round ${round + 1} of ${settings.rounds}, ${stand.row.id}`);
        stand.add(await measure(stand));
      }
    }
    await context.profile?.(stands, measure);
    if (opens) for (const stand of stands) await stand.close();
  } finally {
    await Promise.all(stands.map((stand) => stand.stop()));
  }
  return resultOf(stands);
}

/** Each round begins with another one. */
function turned(stands, round) {
  const first = round % stands.length;
  return [...stands.slice(first), ...stands.slice(0, first)];
}

/** @returns `rows` and `warnings` of what the stands have measured. */
export function resultOf(stands) {
  return {
    rows: stands.map(({ row, samples }) => ({ id: row.id, isOurs: row.peer.startsWith('nestwire'), samples })),
    warnings: stands.flatMap(({ row, samples }) => {
      const [load, server] = [samples.loadBusy, samples.serverBusy].map((values) => median(values ?? [0]));
      if (load <= BUSY || server > BUSY) return [];
      const percent = (share) => `${Math.round(share * 100)} %`;
      return [`${row.id}: the load works ${percent(load)} of the time, the server ${percent(server)}`];
    }),
  };
}
