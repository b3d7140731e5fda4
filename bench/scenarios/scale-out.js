/**
 * Several nodes: what they cost beside one, and beside stock nodes behind a sticky balancer. All nodes share core 0; load,
 * nginx and Redis share core 1, and their CPU is told apart from that of the nodes. Needs nginx and redis-server.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Nodes, startNginx } from '../cluster.js';
import { TEXT } from '../load/dialects.js';
import { startLoad } from '../processes.js';
import { table } from '../report/table.js';
import { median, ratios, spread } from '../stats.js';

/** Without stickiness ours, with it the other: `IoAdapter` cannot be without. */
const PEERS = ['platform-socket.io-redis', 'nestwire-redis'];
const COUNTS = [1, 2, 3];

/** Single requests whose time is taken in each round. */
const PINGS = 100;

const NODES = { measure: nodes, needs: 'nginx and redis-server', rounds: 5 };
const ECHO = { ...NODES, work: echo, clientsPerNode: 40, inFlight: 1, per: 'message' };
const EMITS = {
  ...NODES,
  work: broadcast,
  clientsPerNode: 60,
  transport: 'upgraded',
  per: 'delivered message',
  pings: 0,
};
const RELAYED = { measure: relayed, needs: 'redis-server', rounds: 7, connections: 50, inFlight: 1 };
const FEW = { clientsPerNode: 1, units: 150, warmUp: 900, step: 150, intervalMs: 4, per: 'emit' };

/**
 * As those of `scenarios/`; `transport`, `bytes`: see `load/load.js`. Clients are as many for each node, so that a node has as much to
 * do at once whether it is alone or not.
 */
const SCENARIOS = {
  'nodes-websocket': { ...ECHO, transport: 'upgraded', units: 6000, warmUp: 6000 },
  'nodes-polling': { ...ECHO, transport: 'polling', units: 1200, warmUp: 2500 },
  'nodes-broadcast': { ...EMITS, units: 100, warmUp: 200, step: 50, intervalMs: 0 },
  'nodes-broadcast-few': { ...EMITS, ...FEW },
  'relayed-small': { ...RELAYED, units: 3000, warmUp: 6000 },
  'relayed-16k': { ...RELAYED, units: 1500, warmUp: 3000, bytes: 16_384 },
  'relayed-heap': { ...RELAYED, measure: relayedHeap, connections: 1000, rounds: 3 },
};

export const SCALE_OUT = Object.entries(SCENARIOS).map(([name, settings]) => ({
  name,
  title: `several nodes: ${name}`,
  isOptional: true,
  settings,
  quick: { rounds: 2 },
  run: async (context, given) => {
    await settings.measure({ ...given, name }, context.scaleOut);
    return null;
  },
}));

/** The load's and everybody's clocks, now. */
async function clocks({ group, nginx, load }) {
  const { redis } = group;
  const [ofNodes, ofNginx, ofRedis, traffic, ofLoad, forwarded] = await Promise.all([
    group.cpu(),
    nginx?.cpu() ?? 0,
    redis.cpu(),
    redis.traffic(),
    load.call('cpu'),
    group.each('forwarded'),
  ]);
  const sum = (values) => values.reduce((all, value) => all + value, 0);
  return {
    cpu: sum(ofNodes),
    owner: ofNodes[0],
    nginx: ofNginx,
    redis: ofRedis,
    load: ofLoad.user + ofLoad.system,
    forwarded: sum(forwarded),
    ...traffic,
  };
}

/** Everything that was used meanwhile, for one of `count`. */
async function measured(context, count, work) {
  const before = await clocks(context);
  const start = performance.now();
  await work();
  const micros = (performance.now() - start) * 1000;
  const after = await clocks(context);
  const each = Object.fromEntries(Object.keys(before).map((key) => [key, (after[key] - before[key]) / count]));
  return { ...each, rate: (count / micros) * 1e6, busy: (each.cpu * count) / micros };
}

/** Rounds over all `setups` (`label`, `peer`, `group`, `nginx`, and what `open` of the load takes). */
async function rounds(scenario, setups, load) {
  const { units, warmUp, transport, bytes, work, pings = PINGS } = scenario;
  for (let round = 0; round <= scenario.rounds; round++) {
    for (const setup of setups) {
      const { peer, group, port, entry, connections = scenario.connections } = setup;
      const size = scenario.per === 'delivered message' ? connections : 1;
      const handedOver = async () => (await group.each('forwarded')).reduce((sum, n) => sum + n, 0);
      const before = await handedOver();
      const context = { ...setup, load, emitted: 0 };
      await load.call('open', { transport, bytes, connections, peer, port, entry, isScattered: true, ...setup.client });
      const opened = await group.each('clients');
      if (opened.reduce((sum, n) => sum + n, 0) !== connections)
        throw new Error(`${opened} clients, not ${connections}`);
      const atOpening = (await handedOver()) - before;
      // each node has to be warm
      await work(scenario, context, round === 0 ? warmUp * (setup.count ?? 1) : Math.ceil(units / 10));
      const result = await measured(context, units * size, () => work(scenario, context, units));
      const latencies = pings > 0 ? await load.call('pings', { messages: pings }) : [];
      await load.call('close');
      await until(group, 0);
      // of a session that polls and then opens a WebSocket, three requests may come to another node
      const relayed = transport === 'polling' ? result.forwarded / 2 : atOpening / connections / 3;
      latencies.sort((a, b) => a - b);
      if (round > 0) setup.results.push({ ...result, relayed, opened, latencies });
    }
  }
}

async function until(group, clients) {
  const deadline = performance.now() + 10_000;
  while ((await group.each('clients')).some((counted) => counted !== clients)) {
    if (performance.now() > deadline) throw new Error('clients that have closed are still there');
    await delay(20);
  }
}

function echo({ inFlight }, { load }, messages) {
  return load.call('run', { messages, inFlight });
}

/** The first node emits, clients of all nodes hear it. */
async function broadcast({ step, intervalMs }, context, emits) {
  const { load, group } = context;
  for (const end = context.emitted + emits; context.emitted < end;) {
    const count = Math.min(step, end - context.emitted);
    const order = { from: context.emitted, count, perTurn: 1, intervalMs, text: TEXT };
    await Promise.all([load.call('hear', { broadcasts: count }), group.children[0].call('broadcast', order)]);
    context.emitted += count;
  }
}

/** One, two and three nodes of each peer behind nginx. */
async function nodes(scenario, { keepAlive }) {
  const { clientsPerNode } = scenario;
  const setups = [];
  let nginx;
  const load = await startLoad();
  try {
    for (const count of COUNTS) {
      for (const peer of PEERS) {
        const group = await Nodes.start(peer, count);
        setups.push({
          label: `${peer.replace('-redis', '')}, ${count}`,
          peer,
          count,
          group,
          connections: clientsPerNode * count,
          results: [],
        });
      }
    }
    nginx = await startNginx(
      setups.map(({ peer, group }) => ({ ports: group.ports, isSticky: peer === PEERS[0] })),
      { keepAlive },
    );
    setups.forEach((setup, i) => Object.assign(setup, { nginx, port: nginx.ports[i] }));
    await rounds(scenario, setups, load);
  } finally {
    await Promise.all([load.stop(), nginx?.stop(), ...setups.map(({ group }) => group.stop())]);
  }
  reportNodes(scenario, setups);
}

/** An echo that goes to the node which has the session, and one that comes by another node. */
async function relayed(scenario) {
  const load = await startLoad();
  const group = await Nodes.start(PEERS[1], 2).catch(async (error) => {
    await load.stop();
    throw error;
  });
  const [entry, other] = group.ports;
  const setups = ['polling', 'upgraded'].flatMap((transport) => {
    const name = transport === 'upgraded' ? 'websocket' : transport;
    const common = { peer: PEERS[1], group, entry, client: { transport } };
    return [
      { ...common, label: `${name}, direct`, port: entry, results: [] },
      { ...common, label: `${name}, by another node`, port: other, results: [] },
    ];
  });
  try {
    await rounds({ ...scenario, work: echo }, setups, load);
  } finally {
    await Promise.all([load.stop(), group.stop()]);
  }
  reportRelayed(scenario, setups);
}

/** Heap and buffers that a silent connection costs the node that has its session, and the one that it comes by. */
async function relayedHeap({ name, connections, rounds: count }) {
  const load = await startLoad();
  const group = await Nodes.start(PEERS[1], 2, { execArgv: ['--expose-gc'] }).catch(async (error) => {
    await load.stop();
    throw error;
  });
  const [entry, other] = group.ports;
  const ways = ['polling', 'upgraded'].flatMap((transport) =>
    [entry, other].map((port) => ({ transport, port, owner: [], between: [] })),
  );
  const used = async () => (await group.each('memory')).map(({ heapUsed, external }) => heapUsed + external);
  const visit = async ({ transport, port }, clients, body) => {
    await load.call('open', { peer: PEERS[1], transport, port, entry, connections: clients, isScattered: true });
    const result = await body?.();
    await load.call('close');
    await until(group, 0);
    return result;
  };
  try {
    for (let round = 0; round < count; round++) {
      for (const way of ways) {
        // what is allocated once is not a cost of each
        await visit(way, 200);
        const empty = await used();
        const full = await visit(way, connections, used);
        way.owner.push((full[0] - empty[0]) / connections / 1024);
        way.between.push((full[1] - empty[1]) / connections / 1024);
      }
    }
  } finally {
    await Promise.all([load.stop(), group.stop()]);
  }
  console.log(
    `\n${name}: memory of a silent connection, ${connections} connections, ${count} rounds, heap and external\n`,
  );
  const rows = ways.map(({ transport, port, owner, between }) => [
    `${transport}, ${port === entry ? 'direct' : 'by another node'}`,
    spread(owner),
    spread(between),
  ]);
  console.log(table(['way', 'owner KB', 'other node KB'], rows));
}

const of = ({ results }, key) => results.map((result) => result[key]);

/** Medians over the rounds of a round's median and 95th percentile, in ms. */
function latency({ results }) {
  const quantile = (share) => median(results.map(({ latencies: l }) => l[Math.floor(share * (l.length - 1))]));
  return results[0].latencies.length > 0 ? `${quantile(0.5).toFixed(2)}, ${quantile(0.95).toFixed(2)}` : '';
}

function reportNodes({ name, clientsPerNode, transport, per, units, rounds: count, work, intervalMs }, setups) {
  const what =
    work === echo ? 'echo with ack' : `server.emit of one node, ${intervalMs ? `every ${intervalMs} ms` : 'each turn'}`;
  console.log(`\n${name}: ${what}, ${clientsPerNode} clients a node (${transport}), 1 to 3 nodes behind nginx`);
  console.log(`${units} a round, ${count} rounds; CPU in µs a ${per}, nodes together, nginx, Redis\n`);
  const header = [
    'peer, nodes',
    'nodes',
    'nginx',
    'Redis',
    '/s',
    'core busy',
    'relayed',
    'clients a node',
    'ms: median, 95 %',
  ];
  const rows = setups.map((setup) => [
    setup.label,
    spread(of(setup, 'cpu')),
    median(of(setup, 'nginx')).toFixed(1),
    median(of(setup, 'redis')).toFixed(2),
    spread(of(setup, 'rate'), 0),
    median(of(setup, 'busy')).toFixed(2),
    median(of(setup, 'relayed')).toFixed(2),
    `${Math.min(...of(setup, 'opened').flat())} – ${Math.max(...of(setup, 'opened').flat())}`,
    latency(setup),
  ]);
  console.log(table(header, rows));
  const find = (peer, nodeCount) =>
    of(
      setups.find((one) => one.peer === peer && one.count === nodeCount),
      'cpu',
    );
  const [stock, own] = PEERS;
  const compared = COUNTS.map((n) => [`nestwire / platform-socket.io, ${n}`, find(own, n), find(stock, n)]);
  const grown = PEERS.flatMap((peer) => [2, 3].map((n) => [`${peer}: ${n} / 1`, find(peer, n), find(peer, 1)]));
  console.log(
    `\n${table(
      ['CPU of the nodes', 'median [range]'],
      [...compared, ...grown].map(([label, a, b]) => [label, spread(ratios(a, b), 2)]),
    )}`,
  );
  if (work !== broadcast) return;
  const perEmit = ({ connections }) => (per === 'emit' ? 1 : connections);
  const traffic = ['redis', 'commands', 'input', 'output'].map(
    (key) => (setup) =>
      spread(
        of(setup, key).map((v) => v * perEmit(setup)),
        1,
      ),
  );
  const cells = setups.map((setup) => [setup.label, ...traffic.map((cell) => cell(setup))]);
  console.log(`\n${table(['Redis, an emit', 'µs CPU', 'commands', 'bytes in', 'bytes out'], cells)}`);
}

function reportRelayed({ name, connections, inFlight, units, bytes = 43, rounds: count }, setups) {
  console.log(
    `\n${name}: echo of ${bytes} bytes with ack, ${connections} clients, ${inFlight} in flight each, no nginx`,
  );
  console.log(`${units} messages a round, ${count} rounds; CPU in µs a message\n`);
  const rows = setups.map((setup) => [
    setup.label,
    spread(of(setup, 'cpu')),
    spread(of(setup, 'owner')),
    spread(of(setup, 'rate'), 0),
    median(of(setup, 'busy')).toFixed(2),
    latency(setup),
  ]);
  console.log(table(['way', 'both nodes', 'of it the owner', '/s', 'core busy', 'ms: median, 95 %'], rows));
  const [direct, by, ws, piped] = setups.map((setup) => of(setup, 'cpu'));
  const compared = [
    ['polling, by another / direct', spread(ratios(by, direct), 2)],
    ['websocket, by another / direct', spread(ratios(piped, ws), 2)],
  ];
  console.log(`\n${table(['CPU of both nodes', 'median [range]'], compared)}`);
}
