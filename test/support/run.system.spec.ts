import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

/*
 * The runner, on a project of its own with a handful of spec files: what it counts is what everybody believes.
 */

const SUPPORT = dirname(fileURLToPath(import.meta.url));
const ROOT = join(SUPPORT, '..', '..');
const CASES = `import { it, expect } from '@jest/globals';\n`;

let project: string;
let running: ChildProcess | undefined;

beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 'nestwire-run-'));
  mkdirSync(join(project, 'test', 'support'), { recursive: true });
  for (const name of ['run.js', 'reporter.js', 'environment.js', 'system-parts.js']) {
    cpSync(join(SUPPORT, name), join(project, 'test', 'support', name));
  }
  cpSync(join(ROOT, 'jest.config.js'), join(project, 'jest.config.js'));
  cpSync(join(ROOT, '.swcrc'), join(project, '.swcrc'));
  symlinkSync(join(ROOT, 'node_modules'), join(project, 'node_modules'));
  env = { ...process.env, NODE_OPTIONS: '' };
  // npm scripts of every step, which end well unless a case says otherwise
  writeScripts({});
});

afterEach(async () => {
  if (running && running.exitCode === null && running.signalCode === null) {
    running.kill('SIGKILL');
    await once(running, 'exit');
  }
  rmSync(project, { recursive: true, force: true });
});

function writeScripts(scripts: Record<string, string>): void {
  const all = { lint: 'true', typecheck: 'true', build: 'true', 'build:sample': 'true', ...scripts };
  writeFileSync(join(project, 'package.json'), JSON.stringify({ type: 'module', scripts: all }));
}

function writeSpec(name: string, text: string): void {
  writeFileSync(join(project, 'test', name), CASES + text);
}

let env: NodeJS.ProcessEnv;

function start(...args: string[]): ChildProcess {
  running = spawn(process.execPath, [join(project, 'test', 'support', 'run.js'), ...args], {
    cwd: tmpdir(),
    stdio: ['ignore', 'pipe', 'pipe'],
    env,
  });
  return running;
}

interface Outcome {
  code: number | null;
  last: string;
  output: string;
}

async function run(...args: string[]): Promise<Outcome> {
  const child = start(...args);
  let output = '';
  for (const stream of [child.stdout!, child.stderr!])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, last: output.trimEnd().split('\n').at(-1)!, output };
}

describe('the test runner', () => {
  it('counts cases, not files, and ends with 0 when all passed', async () => {
    writeSpec('a.spec.ts', `it('one', () => { expect(1).toBe(1); }); it('two', () => { expect(2).toBe(2); });`);
    writeSpec('b.spec.ts', `it.each([1, 2, 3])('%s', (n) => { expect(n).toBe(n); });`);
    expect(await run('--unit')).toMatchObject({ code: 0, last: '5 passed, 0 failed' });
  });

  it('counts failed cases', async () => {
    writeSpec('a.spec.ts', `it('good', () => { expect(1).toBe(1); }); it('bad', () => { expect(1).toBe(2); });`);
    expect(await run('--unit')).toMatchObject({ code: 1, last: '1 passed, 1 failed' });
  });

  it('counts a file that cannot be loaded', async () => {
    writeSpec('a.spec.ts', `throw new Error('no');`);
    writeSpec('b.spec.ts', `it('good', () => { expect(1).toBe(1); });`);
    expect(await run('--unit')).toMatchObject({ code: 1, last: '1 passed, 1 failed' });
  });

  it('counts a skipped case as a failed one, and names its file', async () => {
    writeSpec('a.spec.ts', `it('good', () => { expect(1).toBe(1); }); it.skip('later', () => {}); it.todo('never');`);
    const outcome = await run('--unit');
    expect(outcome).toMatchObject({ code: 1, last: '1 passed, 2 failed' });
    expect(outcome.output).toContain('test/a.spec.ts: 2 skipped');
  });

  it('never takes a Jest that died for one that passed', async () => {
    writeSpec('a.spec.ts', `it('dies', () => { process.kill(process.pid, 'SIGKILL'); });`);
    const outcome = await run('--unit');
    expect(outcome).toMatchObject({ code: 1, last: '0 passed, 1 failed' });
    expect(outcome.output).toContain('was ended by SIGKILL');
  });

  it('fails when no test ran', async () => {
    expect(await run('--unit')).toMatchObject({ code: 1, last: '0 passed, 1 failed' });
  });

  it('names the file that leaves a server open, although Jest is kept alive by it', async () => {
    writeSpec(
      'a.spec.ts',
      `import { createServer } from 'node:net';
       it('listens', async () => {
         const server = createServer();
         await new Promise((done) => server.listen(0, '127.0.0.1', () => done(undefined)));
         expect(server.listening).toBe(true);
       });`,
    );
    const outcome = await run('--unit');
    expect(outcome.code).toBe(1);
    expect(outcome.output).toContain('This file leaves open: TCPServerWrap × 1');
    expect(outcome.output).toContain('did not end by itself');
    expect(outcome.last).toBe('1 passed, 2 failed');
  }, 120_000);

  it('counts every other step that fails, and goes on', async () => {
    writeScripts({ lint: 'exit 3', build: 'exit 1' });
    writeSpec('a.spec.ts', `it('good', () => { expect(1).toBe(1); });`);
    writeSpec('b.system.spec.ts', `it('good', () => { expect(1).toBe(1); });`);
    writeSpec('c.full.spec.ts', `it('good', () => { expect(1).toBe(1); });`);
    const outcome = await run();
    expect(outcome).toMatchObject({ code: 1, last: '2 passed, 2 failed' });
    expect(outcome.output).toContain('✗ lint: ended with 3');
    expect(outcome.output).toContain('✗ build: ended with 1');
  });

  it('runs the long specs when asked for everything', async () => {
    writeSpec('a.spec.ts', `it('good', () => { expect(1).toBe(1); });`);
    writeSpec('c.full.spec.ts', `it('good', () => { expect(1).toBe(1); });`);
    expect(await run('--full')).toMatchObject({ code: 0, last: '2 passed, 0 failed' });
  });

  it('runs the specs of a pattern', async () => {
    writeSpec('a.spec.ts', `it('good', () => { expect(1).toBe(1); });`);
    writeSpec('b.spec.ts', `it('good', () => { expect(1).toBe(1); });`);
    expect(await run('--unit', 'b.spec')).toMatchObject({ code: 0, last: '1 passed, 0 failed' });
  });

  it('says what to install where it cannot install it, and runs nothing', async () => {
    writeSpec('a.spec.ts', `it('good', () => { expect(1).toBe(1); });`);
    env.PATH = project; // neither a browser nor a package manager
    const outcome = await run();
    expect(outcome).toMatchObject({ code: 1, last: '0 passed, 1 failed' });
    expect(outcome.output).toMatch(/apt-get install -y --no-install-recommends chromium firefox-esr redis-server/);
  });

  it('refuses arguments it does not know', async () => {
    const outcome = await run('--units');
    expect(outcome).toMatchObject({ code: 1, last: '0 passed, 1 failed' });
    expect(outcome.output).toContain('usage:');
  });

  it('stops what runs when it is interrupted, and says so', async () => {
    // The step holds a connection to us: its end is the end of the step.
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    writeScripts({ lint: `node -e "require('net').connect(${port}, '127.0.0.1')"` });
    const child = start();
    let output = '';
    child.stdout!.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const [step] = (await once(server, 'connection')) as [Socket];
    step.on('error', () => {}); // a reset is an end, too
    const stepEnded = once(step.resume(), 'close');
    child.kill('SIGINT');
    expect(await once(child, 'close')).toEqual([130, null]);
    expect(output.trimEnd().split('\n').at(-1)).toBe('0 passed, 1 failed');
    await stepEnded;
    server.close();
  });

  it('ends when nobody reads any more', async () => {
    writeScripts({ lint: `node -e "setInterval(() => console.log('line'), 5)"` });
    const child = start();
    await once(child.stdout!, 'data');
    child.stdout!.destroy();
    expect(await once(child, 'exit')).toEqual([141, null]);
  });
});
