/** Child processes of a benchmark: each pinned to a core where that is possible, each answering calls over IPC. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { connect, createServer } from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SERVERS = join(ROOT, 'dist-bench');

/** A call that takes longer has gone wrong: every one is sized to take a few seconds. */
const CALL_TIMEOUT_MS = 120_000;

/** Where the servers run. */
const SERVER_CORE = 0;

/** Where the load runs, and what stands between it and the servers. */
const LOAD_CORE = 1;

const canPin = availableParallelism() > 1 && spawnSync('taskset', ['-c', '0', 'true']).status === 0;

/** True when server and load run on cores of their own; the figures mean little otherwise. */
export const pinned = canPin;

function onCore(core, command) {
  return canPin ? ['taskset', '-c', String(core), ...command] : command;
}

/**
 * Starts a program of another kind on the core of the load, with a directory of its own that goes with it: `args` is told
 * which. Resolves when the program takes connections at `port`.
 */
export async function startProgram(name, args, port) {
  const directory = await mkdtemp(join(tmpdir(), `nestwire-bench-${name}-`));
  const [program, ...rest] = onCore(LOAD_CORE, [name, ...(await args(directory))]);
  const child = spawn(program, rest, { stdio: ['ignore', 'ignore', 'inherit'] });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.once('error', () => undefined);
  while (!(await takesConnections(port))) {
    if (child.exitCode !== null || child.pid === undefined) throw new Error(`${name} did not start`);
    await delay(20);
  }
  return {
    /** Microseconds of CPU of its main thread; 0 where the system does not tell. */
    cpu: () =>
      readFile(`/proc/${child.pid}/schedstat`, 'latin1').then(
        (text) => Number.parseInt(text, 10) / 1000,
        () => 0,
      ),
    async stop() {
      child.kill('SIGTERM');
      await exited;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function takesConnections(port) {
  const socket = connect(port, '127.0.0.1');
  const isOpen = await new Promise((resolve) => {
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
  });
  socket.destroy();
  return isOpen;
}

/** A port that was free a moment ago. */
export async function freePort() {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** A Node process that answers `{id, command, args}` with `{id, result}` or `{id, error}`. */
export class Child {
  #process;
  #calls = new Map();
  #next = 0;

  /**
   * Starts `script` on a core and waits until it says that it is ready; `ready` is what it said, `startedIn` the milliseconds
   * that it took.
   */
  static async start(script, args, core, execArgv = []) {
    const child = new Child();
    const command = onCore(core, [process.execPath, ...execArgv, script, ...args]);
    const begin = performance.now();
    child.#process = spawn(command[0], command.slice(1), { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    child.exited = new Promise((resolve) => child.#process.once('exit', resolve));
    child.ready = await new Promise((resolve, reject) => {
      child.#process.once('error', reject);
      child.#process.once('exit', (code) => reject(new Error(`${script} ${args.join(' ')} ended with ${code}`)));
      child.#process.on('message', (message) => ('ready' in message ? resolve(message.ready) : child.#answer(message)));
    });
    child.startedIn = performance.now() - begin;
    child.#process.once('exit', (code) => child.#abort(new Error(`${script} ${args.join(' ')} ended with ${code}`)));
    return child;
  }

  call(command, args = {}) {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${command} takes too long`)), CALL_TIMEOUT_MS);
      this.#calls.set(id, { resolve, reject, timer });
      this.#process.send({ id, command, args });
    });
  }

  /** Ends the process, by force when it does not end by itself. */
  async stop() {
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), 5000);
    if (this.#process.connected) this.#process.disconnect();
    await this.exited;
    clearTimeout(timer);
  }

  #answer({ id, result, error }) {
    const { resolve, reject, timer } = this.#calls.get(id);
    this.#calls.delete(id);
    clearTimeout(timer);
    if (error) reject(new Error(error));
    else resolve(result);
  }

  #abort(error) {
    for (const { reject, timer } of this.#calls.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.#calls.clear();
  }
}

/** Compiles the servers when their sources are newer than the last output: decorators need it. */
export function compileServers() {
  const sources = join(ROOT, 'bench/servers');
  const newest = Math.max(
    ...[...readdirSync(sources).map((name) => join(sources, name)), join(ROOT, 'bench/tsconfig.json')].map(changed),
  );
  const output = join(SERVERS, 'main.js');
  if (existsSync(output) && changed(output) > newest) return;
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  const { status } = spawnSync(process.execPath, [tsc, '-p', 'bench/tsconfig.json'], { cwd: ROOT, stdio: 'inherit' });
  if (status !== 0) throw new Error('compiling bench/servers failed');
}

function changed(file) {
  return statSync(file).mtimeMs;
}

/** Starts the server of a peer on core 0; `options`: see `servers/options.ts`. `ready` is its port. */
export function startServer(peer, { execArgv = [], ...options } = {}) {
  return Child.start(join(SERVERS, 'main.js'), [peer, JSON.stringify(options)], SERVER_CORE, execArgv);
}

/** Starts the application of `servers/start-up.ts` on core 0. `ready.cpu` is the microseconds of CPU that it has used. */
export function startApplication(adapter) {
  return Child.start(join(SERVERS, 'start-up.js'), [adapter], SERVER_CORE);
}

/** Starts the load generator on core 1. */
export function startLoad() {
  return Child.start(join(ROOT, 'bench/load/main.js'), [], LOAD_CORE);
}
