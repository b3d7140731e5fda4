import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort } from './free-port.js';

/** A Redis server of the test, which keeps nothing on disk. */
export interface RedisServer {
  /** Port on 127.0.0.1; the same after a restart. */
  readonly port: number;
  readonly url: string;
  /** Ends the process; the port refuses connections then. */
  stop(): Promise<void>;
  /** Starts it again on the same port, with nothing in it. */
  start(): Promise<void>;
  /** Lets it hang: connections stay, answers do not come. */
  pause(): void;
  /** Lets it go on. */
  resume(): void;
  /** Ends it for good. */
  close(): Promise<void>;
}

/** @param options of the command line, for example `--requirepass`, `secret`. */
export async function startRedis(options: readonly string[] = []): Promise<RedisServer> {
  const redis = await prepareRedis(options);
  await redis.start();
  return redis;
}

/** A Redis server that is not started yet. */
export async function prepareRedis(options: readonly string[] = []): Promise<RedisServer> {
  const directory = await mkdtemp(join(tmpdir(), 'nestwire-redis-'));
  const port = await freePort();
  let child: ChildProcess | null = null;
  const stop = async (): Promise<void> => {
    const running = child;
    child = null;
    if (running === null || running.exitCode !== null) return;
    const exited = once(running, 'exit');
    running.kill('SIGKILL');
    await exited;
  };
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    stop,
    async start() {
      child = await launch(directory, port, options);
    },
    pause: () => void child!.kill('SIGSTOP'),
    resume: () => void child!.kill('SIGCONT'),
    async close() {
      await stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Resolves when it takes connections. */
async function launch(directory: string, port: number, options: readonly string[]): Promise<ChildProcess> {
  const fixed = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', directory];
  const child = spawn('redis-server', [...fixed, ...options], { stdio: ['ignore', 'pipe', 'inherit'] });
  const failed = new Promise<never>((_resolve, reject) => child.once('error', reject));
  const lines: string[] = [];
  const ready = new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout })
      .on('line', (line) => {
        lines.push(line);
        if (line.includes('Ready to accept connections')) resolve();
      })
      .on('close', () => reject(new Error(`redis-server ended at start:\n${lines.join('\n')}`)));
  });
  await Promise.race([ready, failed]);
  return child;
}
