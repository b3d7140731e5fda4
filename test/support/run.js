/**
 * `npm test`: system parts, lint, type check, build, tests; the last line is `N passed, N failed`.
 *
 *   node test/support/run.js [--unit | --full] [spec path pattern …]
 *
 * --unit  only the specs that need nothing but Node (no browser, nginx, Redis, npm): the quick loop
 * --full  everything, the long specs too (`*.full.spec.ts`), and the conformance suite once more with every request relayed
 *
 * A step that is not a test counts as one failed case when it fails. So does a Jest run that breaks off, that does not end
 * by itself, or a skipped case: nothing is ever passed over in silence.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureSystemParts } from './system-parts.js';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const USAGE = 'usage: node test/support/run.js [--unit | --full] [spec path pattern …]';

/** No step takes longer on a slow machine; one that does hangs (ms). */
const STEP_LIMIT = 30 * 60_000;
/** What a client must not notice when another node stands between it and its session; `attach` is about listeners. */
const RELAYED = ['test/conformance/(?!attach)', 'test/clients/'];
/** How long Jest may take to end once its last spec has reported (ms). */
const END_LIMIT = 10_000;
/** How long a stopped step may take to clean up before it is killed (ms). */
const STOP_LIMIT = 5_000;

const total = { passed: 0, failed: 0 };
const problems = [];
let running;
let stoppedBy;

function say(text) {
  if (process.stdout.writable) process.stdout.write(`${text}\n`);
}

function fail(problem) {
  total.failed += 1;
  problems.push(problem);
}

/** Signals a step and all it started: each step leads a process group of its own. */
function signal(child, name) {
  try {
    process.kill(-child.pid, name);
  } catch {
    // ESRCH: the group is gone, which is what was asked for.
  }
}

function stop(child) {
  signal(child, 'SIGTERM');
  setTimeout(() => signal(child, 'SIGKILL'), STOP_LIMIT).unref();
}

function stopAll(name) {
  if (running && stoppedBy) signal(running, 'SIGKILL');
  else if (running) stop(running);
  stoppedBy ??= name;
}

/**
 * Runs one command to its end.
 *
 * @param {string[]} command
 * @param {{ env?: NodeJS.ProcessEnv, onMessage?: (message: any) => void, limit?: number }} options
 * @returns {Promise<string | undefined>} why it failed, or nothing when it did not
 */
function run([program, ...args], { env = {}, onMessage } = {}) {
  return new Promise((resolve) => {
    const isTerminal = Boolean(process.stdout.isTTY);
    const child = spawn(program, args, {
      cwd: ROOT,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', ...(onMessage ? ['ipc'] : [])],
      env: { ...process.env, ...(isTerminal ? { FORCE_COLOR: '1' } : {}), ...env },
    });
    running = child;
    let overdue;
    let timer = setTimeout(() => giveUp(`took longer than ${STEP_LIMIT / 60_000} minutes`), STEP_LIMIT);
    const giveUp = (reason) => {
      overdue = reason;
      stop(child);
    };
    // Piped and not inherited: what a stray grandchild prints later must not come after the last line. One stream for
    // both, so that the order stands.
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => process.stdout.writable && process.stdout.write(chunk));
    }
    child.on('message', (message) => {
      onMessage(message);
      if (!message.done) return;
      clearTimeout(timer);
      timer = setTimeout(() => giveUp('did not end by itself: something is still open'), END_LIMIT);
    });
    const end = (reason) => {
      clearTimeout(timer);
      running = undefined;
      child.stdout.destroy();
      child.stderr.destroy();
      resolve(reason);
    };
    child.once('error', (error) => end(error.message));
    child.once('exit', async (code, killedBy) => {
      const reason = overdue ?? (killedBy ? `was ended by ${killedBy}` : code === 0 ? undefined : `ended with ${code}`);
      // What the child printed last may still be in the pipe; a grandchild that holds it open is not waited for.
      const closed = new Promise((done) => child.once('close', done));
      const patience = new Promise((done) => setTimeout(done, 1_000).unref());
      await Promise.race([closed, patience]);
      // Nothing a step started may outlive it.
      signal(child, 'SIGKILL');
      end(reason);
    });
  });
}

/** Runs one named step; it counts as one failed case when `work` returns a reason. */
async function step(name, work) {
  if (stoppedBy) return;
  const start = Date.now();
  say(`\n── ${name}`);
  const reason = await work();
  if (stoppedBy) return;
  const seconds = ((Date.now() - start) / 1000).toFixed(1);
  say(`── ${name}: ${reason ? `FAILED, ${reason}` : 'done'} (${seconds} s)`);
  if (reason) fail(`${name}: ${reason}`);
}

const npmScript = (name) => step(name, () => run(['npm', 'run', '--silent', name]));

async function jest(project, patterns, ...flags) {
  await specs(`${project} specs`, project, patterns, flags);
}

async function specs(name, project, patterns, flags, env = {}) {
  await step(name, async () => {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    let done = false;
    const reason = await run(
      [
        process.execPath,
        join(ROOT, 'node_modules', 'jest', 'bin', 'jest.js'),
        `--selectProjects=${project}`,
        '--passWithNoTests',
        '--reporters=default',
        `--reporters=${join(ROOT, 'test', 'support', 'reporter.js')}`,
        ...(process.env.CI ? ['--ci'] : []),
        ...flags,
        ...patterns.map((pattern) => `--testPathPatterns=${pattern}`),
      ],
      {
        env: {
          ...env,
          NODE_OPTIONS:
            `${process.env.NODE_OPTIONS ?? ''} --experimental-vm-modules --disable-warning=ExperimentalWarning`.trim(),
        },
        onMessage: (message) => {
          if (message.done) done = true;
          if (!message.file) return;
          counts.passed += message.passed;
          counts.failed += message.failed;
          counts.skipped += message.skipped;
          if (message.failed > 0) problems.push(`${relative(ROOT, message.file)}: ${message.failed} failed`);
          if (message.skipped > 0) problems.push(`${relative(ROOT, message.file)}: ${message.skipped} skipped`);
        },
      },
    );
    total.passed += counts.passed;
    total.failed += counts.failed + counts.skipped;
    say(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
    if (!done) return reason ?? 'broke off before its last spec';
    // Jest ends with 1 when cases failed, and those are counted already; any other bad end is a failure of its own.
    return reason === 'ended with 1' && counts.failed > 0 ? undefined : reason;
  });
}

async function main(args) {
  const flags = args.filter((arg) => arg.startsWith('-'));
  const patterns = args.filter((arg) => !arg.startsWith('-'));
  const unknown = flags.filter((flag) => flag !== '--unit' && flag !== '--full');
  if (unknown.length > 0 || flags.length > 1) {
    say(USAGE);
    fail(`unknown arguments: ${flags.join(' ')}`);
    return;
  }
  const [mode] = flags;
  if (mode !== '--unit') {
    await step('system parts', () => (ensureSystemParts(say) ? undefined : 'not installed'));
    // Without them the specs that need them could only be skipped.
    if (total.failed > 0) return;
    await npmScript('lint');
    await npmScript('typecheck');
    await npmScript('build');
    await npmScript('build:sample');
  }
  await jest('unit', patterns);
  if (mode === '--unit') return;
  // One at a time: browsers and servers of two specs would fight for the same cores.
  await jest('system', patterns, '--runInBand', '--testTimeout=60000');
  if (mode !== '--full') return;
  await jest('full', patterns, '--runInBand', '--testTimeout=600000');
  if (patterns.length === 0) await specs('relayed specs', 'unit', RELAYED, [], { NESTWIRE_RELAYED: '1' });
}

for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => stopAll(name));
// The reader has gone (`npm test | head`): nobody is left to tell, so end what runs.
process.stdout.on('error', () => stopAll('SIGPIPE'));

await main(process.argv.slice(2));

if (stoppedBy) fail(`stopped by ${stoppedBy}`);
else if (total.passed + total.failed === 0) fail('no test ran');
if (problems.length > 0) say(`\n${problems.map((problem) => `✗ ${problem}`).join('\n')}`);
say(`\n${total.passed} passed, ${total.failed} failed`);
process.exitCode = stoppedBy ? 128 + constants.signals[stoppedBy] : total.failed > 0 ? 1 : 0;
