import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { io } from 'socket.io-client';
import { WebSocket } from 'ws';
import { filesIn, npm, pack, readManifest, ROOT } from './packed.js';

/*
 * A new application installs the packed package with npm, next to nothing but the peers it names (no
 * platform-socket.io), compiles with all checks on, typings of dependencies included, and runs. The versions are those
 * of our own lock file, so that npm finds them in its cache.
 */

const folder = mkdtempSync(join(tmpdir(), 'nestwire-consumers-'));
const manifest = readManifest();
const processes: ChildProcess[] = [];

const installedVersion = (name: string): string => readManifest(join(ROOT, 'node_modules', name)).version;

async function compile(app: string): Promise<string> {
  const tsc = join(folder, 'node_modules', 'typescript', 'bin', 'tsc');
  try {
    await promisify(execFile)(process.execPath, [tsc, '-p', join(folder, app)]);
    return '';
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
}

/** Starts a compiled application, which says on its first line where it listens. */
async function start(app: string): Promise<{ child: ChildProcess; port: number; enginePort: number }> {
  const env = { ...process.env, NODE_OPTIONS: '' };
  const child = spawn(process.execPath, [join(folder, app, 'out', 'main.js')], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env,
  });
  processes.push(child);
  let errors = '';
  child.stderr!.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const lines = createInterface({ input: child.stdout! });
  const [line] = (await Promise.race([
    once(lines, 'line'),
    once(child, 'exit').then(() => Promise.reject(new Error(`${app} ended before it listened: ${errors}`))),
  ])) as [string];
  return { child, ...(JSON.parse(line) as { port: number; enginePort: number }) };
}

beforeAll(async () => {
  const { tarball } = await pack(folder);
  const company = ['@nestjs/platform-express', 'typescript', '@types/node', ...Object.keys(manifest.peerDependencies)];
  const dependencies = Object.fromEntries(company.map((name) => [name, installedVersion(name)]));
  const own = { name: 'consumers', private: true, dependencies: { ...dependencies, nestwire: `file:${tarball}` } };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(own));
  await npm(folder, 'install', '--prefer-offline', '--no-audit', '--no-fund', '--no-package-lock');
  for (const app of ['app-esm', 'app-cjs'])
    cpSync(join(ROOT, 'test', 'package', app), join(folder, app), { recursive: true });
}, 300_000);

afterEach(async () => {
  for (const child of processes.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('an application that installs the package', () => {
  it('gets it whole, and not what only its developers need', () => {
    const installed = join(folder, 'node_modules', 'nestwire');
    expect(filesIn(installed)).toContain('dist/engine/index.d.ts');
    expect(filesIn(installed).filter((name) => name.endsWith('.spec.ts'))).toEqual([]);
    expect(readFileSync(join(installed, 'LICENSE'), 'utf8')).toContain('MIT');
    const company = filesIn(join(folder, 'node_modules')).map((name) => name.split('/').slice(0, 2).join('/'));
    expect(company).not.toContain('@nestjs/platform-socket.io');
    expect(company.some((name) => name.startsWith('jest/'))).toBe(false);
  });

  // The first is compiled by its own TypeScript, which npm brought.
  it.each(['app-esm', 'app-cjs'])(
    'compiles with all checks on, and serves a stock client: %s',
    async (app) => {
      expect(await compile(app)).toBe('');
      const { child, port, enginePort } = await start(app);

      const client = io(`http://127.0.0.1:${port}/echo`, { forceNew: true, reconnection: false });
      try {
        await once(client as never, 'connect');
        expect(await client.timeout(10_000).emitWithAck('echo', 'grüße')).toMatchObject({ text: 'grüße' });
      } finally {
        client.disconnect();
      }

      const session = new WebSocket(`ws://127.0.0.1:${enginePort}/engine.io/?EIO=4&transport=websocket`);
      const [handshake] = (await once(session, 'message')) as [Buffer];
      expect(handshake.toString()).toMatch(/^0\{"sid":/);
      session.send('4hello');
      expect(String((await once(session, 'message'))[0])).toBe('4hello');
      session.terminate();

      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      // Nest ends itself with the signal that it was sent, once its shutdown hooks are done.
      expect(await ended).toEqual([null, 'SIGTERM']);
    },
    120_000,
  );
});
