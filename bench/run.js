/**
 * Measures us beside the peers: `node bench/run.js [scenario …] [--peers a,b] [--rounds n] [--cpu-prof directory]`.
 * Needs `npm run build`. Servers run on core 0, the load on core 1; peers take turns within each round, so that what
 * changes on the machine meanwhile meets all of them; figures are medians over the rounds, ratios are formed within a
 * round. CPU is what the server process used in user space and kernel (`process.cpuUsage()`). `nodes` and `relayed` run when
 * they are named: see `scale-out.js`; `--close-upstream` has nginx make a connection to a node for each request.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { DIALECTS, NEWS_TEXT } from './dialects.js';
import { compileServers, pinned, startLoad, startServer } from './processes.js';
import { SCALE_OUT } from './scale-out.js';
import { ratios, spread, table } from './stats.js';

const DEFAULT_PEERS = ['platform-socket.io', 'platform-ws', 'ws', 'nestwire'];

/** A stream and a handler that do the same, with the same guard and pipe. */
const STREAM_PEERS = ['nestwire-handler', 'nestwire-stream'];

/** `units` (messages, emits) are a round's; each server has done `warmUp` of them before the first round counts. */
const scenarios = {
  echo10: { measure: echo, connections: 50, inFlight: 10, units: 30_000, warmUp: 60_000, rounds: 7 },
  echo1: { measure: echo, connections: 50, inFlight: 1, units: 20_000, warmUp: 40_000, rounds: 7 },
  stream10: {
    measure: echo,
    connections: 50,
    inFlight: 10,
    units: 30_000,
    warmUp: 60_000,
    rounds: 7,
    peers: STREAM_PEERS,
  },
  stream1: {
    measure: echo,
    connections: 50,
    inFlight: 1,
    units: 20_000,
    warmUp: 40_000,
    rounds: 7,
    peers: STREAM_PEERS,
  },
  broadcast: { measure: broadcast, connections: 200, units: 250, warmUp: 500, step: 50, intervalMs: 0, rounds: 7 },
  paced: { measure: broadcast, connections: 200, units: 150, warmUp: 500, step: 50, intervalMs: 10, rounds: 5 },
  heap20: { measure: heap, connections: 2000, handlers: 20, rounds: 3 },
  churn: { measure: churn, connections: 1000, cycles: 40, handlers: 1, rounds: 1, peers: STREAM_PEERS },
  heap1: { measure: heap, connections: 2000, handlers: 1, rounds: 3 },
  ...SCALE_OUT,
};

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    peers: { type: 'string' },
    subject: { type: 'string' },
    rounds: { type: 'string' },
    connections: { type: 'string' },
    'per-turn': { type: 'string', default: '1' },
    'cpu-prof': { type: 'string' },
    'cpu-prof-interval': { type: 'string', default: '200' },
    'close-upstream': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const named = options.peers?.split(',');
/** The peers of the scenario that runs. */
let peers = named ?? DEFAULT_PEERS;
const names =
  positionals.length > 0 ? positionals.flatMap(namesOf) : Object.keys(scenarios).filter((name) => !(name in SCALE_OUT));
for (const peer of peers)
  if (!(peer in DIALECTS)) throw new Error(`no such peer: ${peer}; there are ${Object.keys(DIALECTS)}`);

compileServers();
if (!pinned)
  console.warn('taskset or a second core is missing: server and load share cores, so these figures are rough');
for (const name of names) {
  const scenario = { ...scenarios[name], name };
  if (options.rounds) scenario.rounds = Number(options.rounds);
  if (options.connections) scenario.connections = Number(options.connections);
  peers = named ?? scenario.peers ?? DEFAULT_PEERS;
  await scenario.measure(scenario, { keepAlive: !options['close-upstream'] });
}

/** A scenario, or all whose names begin so: `nodes` is `nodes-websocket`, `nodes-polling`, … */
function namesOf(given) {
  const found = given in scenarios ? [given] : Object.keys(scenarios).filter((name) => name.startsWith(`${given}-`));
  if (found.length === 0) throw new Error(`no such scenario: ${given}; there are ${Object.keys(scenarios)}`);
  return found;
}

/** Keeps a server of each peer and one load generator for as long as `body` runs. */
async function withServers(body) {
  const load = await startLoad();
  const servers = new Map();
  try {
    for (const peer of peers) servers.set(peer, await startServer(peer));
    await body(servers, load);
  } finally {
    for (const child of [load, ...servers.values()]) await child.stop();
  }
}

/** Runs `work` between two looks at the CPU clocks; per-message figures for `count` messages. */
async function measured(server, load, count, work) {
  const [serverBefore, loadBefore] = await Promise.all([server.call('cpu'), load.call('cpu')]);
  const start = performance.now();
  await work();
  const micros = (performance.now() - start) * 1000;
  const [serverAfter, loadAfter] = await Promise.all([server.call('cpu'), load.call('cpu')]);
  const used = (before, after) => ({ user: after.user - before.user, system: after.system - before.system });
  const ofServer = used(serverBefore, serverAfter);
  const ofLoad = used(loadBefore, loadAfter);
  return {
    cpu: (ofServer.user + ofServer.system) / count,
    system: ofServer.system / count,
    rate: (count / micros) * 1e6,
    load: (ofLoad.user + ofLoad.system) / micros,
    preempted: ((serverAfter.preempted - serverBefore.preempted) / micros) * 1e6,
  };
}

/**
 * Rounds over all peers. `work(context, units)` does a number of units of work, each of which is `size`
 * messages. Every round connects anew. Before the first measured round come `warmUp` units; with `--cpu-prof` one more
 * round follows that is profiled and not counted.
 */
async function rounds({ name, connections, units, warmUp, rounds: measuredRounds, size = 1 }, work) {
  const results = new Map(peers.map((peer) => [peer, []]));
  const profiles = [];
  await withServers(async (servers, load) => {
    for (let round = 0; round <= measuredRounds + (options['cpu-prof'] ? 1 : 0); round++) {
      for (const [peer, server] of servers) {
        await load.call('open', { peer, port: server.ready, connections });
        const context = { peer, server, load, emitted: 0, counts: false };
        await work(context, round === 0 ? warmUp : Math.ceil(units / 10));
        context.counts = round > 0 && round <= measuredRounds;
        const measure = () => measured(server, load, units * size, () => work(context, units));
        if (round > measuredRounds) {
          await server.call('profileStart', { intervalMicros: Number(options['cpu-prof-interval']) });
          await measure();
          profiles.push(await server.call('profileStop', { directory: options['cpu-prof'], label: name }));
        } else if (round > 0) results.get(peer).push(await measure());
        await load.call('close');
      }
    }
  });
  return { results, profiles };
}

/** Every connection keeps `inFlight` requests in the air until all are answered. */
async function echo(scenario) {
  const { connections, inFlight, units } = scenario;
  const { results, profiles } = await rounds(scenario, ({ load }, messages) =>
    load.call('run', { messages, inFlight }),
  );
  report(`${scenario.name}: echo with ack through a guard, ${connections} connections, ${inFlight} in flight each`, [
    `${units} messages a round, ${scenario.rounds} rounds; CPU of the server in µs a message`,
  ]);
  reportCpu(results, profiles);
}

/**
 * The server emits to all. `intervalMs` 0: an emit in each turn of its event loop (or `--per-turn`), a storm in which a
 * server may join what goes to one client; with an interval there is nothing to join, and every delivery is a write.
 * "to the last" is the time from an emit until its last client has it: what joining costs.
 */
async function broadcast(scenario) {
  const { name, connections, step, units, intervalMs } = scenario;
  const perTurn = Number(options['per-turn']);
  const latencies = new Map(peers.map((peer) => [peer, []]));
  const work = async (context, emits) => {
    const { peer, server, load } = context;
    for (const end = context.emitted + emits; context.emitted < end;) {
      const from = context.emitted;
      const count = Math.min(step, end - from);
      const order = { from, count, perTurn, intervalMs, text: NEWS_TEXT };
      const [heard, emitted] = await Promise.all([
        load.call('hear', { broadcasts: count }),
        server.call('broadcast', order),
      ]);
      context.emitted += count;
      if (context.counts) latencies.get(peer).push(...heard.map((at, i) => at - emitted[i]));
    }
  };
  const { results, profiles } = await rounds({ ...scenario, size: connections }, work);
  const pace = intervalMs > 0 ? `every ${intervalMs} ms` : 'a turn of the event loop';
  report(`${name}: server-side emit to ${connections} clients, ${perTurn} ${pace}`, [
    `${units} emits a round, ${scenario.rounds} rounds; CPU of the server in µs a delivered message`,
  ]);
  const last = (peer) => latencies.get(peer).toSorted((a, b) => a - b);
  const quantile = (sorted, share) => sorted[Math.floor(share * (sorted.length - 1))].toFixed(1);
  reportCpu(results, profiles, 'to the last, ms: median, 95 %', (peer) =>
    [0.5, 0.95].map((share) => quantile(last(peer), share)).join(', '),
  );
}

/** Heap that a connection costs which has done its handshake and is silent. A new server each time. */
async function heap({ name, connections, handlers, rounds: count }) {
  const results = new Map(peers.map((peer) => [peer, []]));
  for (let round = 0; round < count; round++) {
    for (const peer of peers) {
      const server = await startServer(peer, { handlers, execArgv: ['--expose-gc'] });
      const load = await startLoad();
      try {
        results.get(peer).push(await heapOf({ peer, server, load, connections }));
      } finally {
        await load.stop();
        await server.stop();
      }
    }
  }
  report(`${name}: memory of an idle connection, ${handlers} handlers, ${connections} connections`, [
    `${count} rounds, after garbage collection; "left" is heap a connection did not give back when it closed`,
  ]);
  const kilobytes = (peer, key) => spread(results.get(peer).map((result) => result[key] / 1024));
  const rows = peers.map((peer) => [peer, ...['heap', 'external', 'rss', 'left'].map((key) => kilobytes(peer, key))]);
  console.log(table(['peer', 'heap KB', 'external KB', 'rss KB', 'left KB'], rows));
  reportRatios((peer) => results.get(peer).map((result) => result.heap));
}

/** Heap that is left after thousands of clients have come, sent a message, and gone: a stream each must leave nothing. */
async function churn({ name, connections, cycles, handlers }) {
  const rows = [];
  for (const peer of peers) {
    const server = await startServer(peer, { handlers, execArgv: ['--expose-gc'] });
    const load = await startLoad();
    const visit = async () => {
      await load.call('open', { peer, port: server.ready, connections });
      await load.call('run', { messages: connections, inFlight: 1 });
      await load.call('close');
      await until(server, 0);
    };
    try {
      await visit();
      const { heapUsed: before } = await server.call('memory');
      for (let cycle = 0; cycle < cycles; cycle++) await visit();
      const { heapUsed: after } = await server.call('memory');
      const kilobytes = (after - before) / 1024;
      rows.push([peer, kilobytes.toFixed(1), ((kilobytes * 1024) / (cycles * connections)).toFixed(1)]);
    } finally {
      await load.stop();
      await server.stop();
    }
  }
  report(`${name}: heap that is left after ${cycles * connections} clients, ${connections} at a time`, []);
  console.log(table(['peer', 'left KB', 'bytes a client'], rows));
}

async function heapOf({ peer, server, load, connections }) {
  const port = server.ready;
  // What a server allocates once, at its first clients, is not a cost of each.
  await load.call('open', { peer, port, connections: 200 });
  await load.call('close');
  await until(server, 0);
  const empty = await server.call('memory');
  await load.call('open', { peer, port, connections });
  await until(server, connections);
  const full = await server.call('memory');
  await load.call('close');
  await until(server, 0);
  const after = await server.call('memory');
  return {
    heap: (full.heapUsed - empty.heapUsed) / connections,
    external: (full.external - empty.external) / connections,
    rss: (full.rss - empty.rss) / connections,
    left: (after.heapUsed - empty.heapUsed) / connections,
  };
}

/** Waits until the server counts that many clients. */
async function until(server, clients) {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const counted = await server.call('clients');
    if (counted === clients) return;
    if (performance.now() > deadline) throw new Error(`the server counts ${counted} clients instead of ${clients}`);
    await delay(20);
  }
}

function report(title, lines) {
  console.log(['', title, ...lines, ''].join('\n'));
}

function reportCpu(results, profiles, extraTitle, extra) {
  const rows = peers.map((peer) => {
    const of = (key) => results.get(peer).map((result) => result[key]);
    const figures = [of('cpu'), of('system')].map((values) => spread(values));
    const cells = [spread(of('rate'), 0), spread(of('load'), 2), spread(of('preempted'), 0)];
    return [peer, ...figures, ...cells, ...(extra ? [extra(peer)] : [])];
  });
  console.log(
    table(
      ['peer', 'µs CPU', 'of it kernel', 'messages/s', 'load busy', 'preempted/s', ...(extra ? [extraTitle] : [])],
      rows,
    ),
  );
  reportRatios((peer) => results.get(peer).map((result) => result.cpu));
  for (const file of profiles) console.log(`profile: ${file}`);
}

/** How the subject compares with each other peer. */
function reportRatios(series) {
  const subject = options.subject ?? peers.at(-1);
  if (!peers.includes(subject)) return;
  const rows = peers
    .filter((peer) => peer !== subject)
    .map((peer) => [`${subject} / ${peer}`, spread(ratios(series(subject), series(peer)), 2)]);
  if (rows.length > 0) console.log(`\n${table(['ratio', 'median [range]'], rows)}`);
}
