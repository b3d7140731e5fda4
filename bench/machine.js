/** What a run was made with. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';
import { pinned } from './processes.js';

const require = createRequire(import.meta.url);

/** Packages whose versions matter. */
const PACKAGES = ['@nestjs/core', '@nestjs/platform-socket.io', '@nestjs/platform-ws', 'socket.io', 'ws', 'sockjs'];

/** Versions of Node, of us and of the peers. */
export function versions() {
  const own = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version;
  const others = PACKAGES.map((name) => [name, versionOf(name)]);
  return { node: process.versions.node, nestwire: own, ...Object.fromEntries(others) };
}

/** Looks for the manifest itself: a package need not export it. */
function versionOf(name) {
  for (const directory of require.resolve.paths(name)) {
    try {
      return JSON.parse(readFileSync(`${directory}/${name}/package.json`, 'utf8')).version;
    } catch {
      // it is in another directory
    }
  }
  throw new Error(`${name} is not installed`);
}

/** Size of the machine; `descriptors` bounds the connections of a process, null where the system does not tell. */
export function machine() {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
    isPinned: pinned,
    descriptors: descriptors(),
  };
}

/** Node raises its own limit to the hard one. */
function descriptors() {
  try {
    const limits = readFileSync('/proc/self/limits', 'latin1');
    return Number(/^Max open files\s+\S+\s+(\d+)/m.exec(limits)?.[1] ?? Number.NaN) || null;
  } catch {
    return null;
  }
}
