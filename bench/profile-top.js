/**
 * Prints where the time of a .cpuprofile went: `node bench/profile-top.js file [top]`. Three tables: self time by
 * package, functions by self time, and functions by total time (with what they call). Idle time is left out.
 *
 * In the first table "own" is JavaScript of the package itself; "own + builtins" adds the builtins (JSON.parse, Map,
 * String methods, …) it called, which a profile counts as functions without a file. Reads and writes of sockets and
 * garbage collection stay apart, since batching and allocation change them, not the code that happens to call them.
 */
import { readFileSync } from 'node:fs';
import { table } from './report/table.js';

const [file, top = '30'] = process.argv.slice(2);
if (!file) throw new Error('usage: node bench/profile-top.js file.cpuprofile [number of functions]');
const profile = JSON.parse(readFileSync(file, 'utf8'));
const nodes = new Map(profile.nodes.map((node) => [node.id, { ...node, self: 0, total: 0, parent: null }]));
for (const node of nodes.values()) for (const id of node.children ?? []) nodes.get(id).parent = node;

profile.samples.forEach((id, i) => {
  nodes.get(id).self += profile.timeDeltas[i];
});

/** Time that is not the server's work: nothing to do, or the profiler's own commands. */
const IDLE = 'idle';

const NATIVE_WRITES = /^(writev?|write(Utf8String|Latin1String|AsciiString|Ucs2String|Buffer)|shutdown)$/;
const NATIVE_READS = /^(readStart|readStop)$/;

/** The package a function belongs to, or what kind of native code it is. */
function packageOf({ functionName, url }) {
  if (functionName === '(garbage collector)') return 'gc';
  if (functionName === '(program)') return 'native: event loop, reads';
  if (functionName === '(idle)') return IDLE;
  if (url === 'node:inspector' || url === 'node:inspector/promises') return IDLE;
  if (url === '') {
    if (NATIVE_WRITES.test(functionName)) return 'native: socket writes';
    if (NATIVE_READS.test(functionName)) return 'native: socket reads';
    return functionName.startsWith('(') ? functionName : 'builtin';
  }
  if (url.startsWith('node:')) return `node internals (${url.slice(5).split('/').slice(0, 2).join('/')})`;
  const module = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url);
  if (module) return module[1];
  if (url.includes('/dist-bench/')) return 'benchmark';
  return /\/(dist|lib)\//.test(url) ? 'nestwire' : url;
}

const place = ({ functionName, url, lineNumber }) => {
  const name = functionName || '(anonymous)';
  if (url === '') return name;
  const short = url.includes('/node_modules/')
    ? url.replace(/^.*\/node_modules\//, '')
    : url.replace(/^.*\/(?=(?:dist|dist-bench|bench|lib)\/)/, '');
  return `${name}  ${short}:${lineNumber + 1}`;
};

const own = new Map();
const charged = new Map();
const selfOf = new Map();
const totalOf = new Map();
const add = (map, key, time) => map.set(key, (map.get(key) ?? 0) + time);

let busy = 0;
for (const node of nodes.values()) {
  const kind = packageOf(node.callFrame);
  if (node.self === 0 || kind === IDLE) continue;
  let owner = node;
  if (kind === 'builtin') while (owner.parent && packageOf(owner.callFrame) === 'builtin') owner = owner.parent;
  if (packageOf(owner.callFrame) === IDLE) continue;
  busy += node.self;
  add(own, kind, node.self);
  add(charged, packageOf(owner.callFrame), node.self);
  add(selfOf, place(node.callFrame), node.self);
  const seen = new Set();
  for (let up = node; up; up = up.parent) seen.add(place(up.callFrame));
  for (const key of seen) add(totalOf, key, node.self);
}

const percent = (time) => `${((100 * time) / busy).toFixed(1)} %`;
const ranked = (map) => [...map].sort((a, b) => b[1] - a[1]);

console.log(`${file}: ${(busy / 1000).toFixed(0)} ms busy\n`);
const packages = [...new Set([...ranked(charged), ...ranked(own)].map(([key]) => key))];
console.log(
  table(
    ['package', 'own', 'own + builtins'],
    packages.map((key) => [key, percent(own.get(key) ?? 0), percent(charged.get(key) ?? 0)]),
  ),
);
for (const [title, map] of [
  ['self time', selfOf],
  ['total time', totalOf],
]) {
  const rows = ranked(map)
    .filter(([key]) => key !== '(root)')
    .slice(0, Number(top));
  console.log(
    `\n${table(
      [`function, by ${title}`, title],
      rows.map(([key, time]) => [key, percent(time)]),
    )}`,
  );
}
