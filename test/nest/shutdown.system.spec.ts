/** A real process: what would end it does not, and SIGTERM does, soon. Needs the built package (`npm run build`). */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { afterEach, describe, expect, it } from '@jest/globals';
import { afterCase, cleanUp, client, connect, connectAndUpgrade, next } from './support.js';

const PROGRAM = join(process.cwd(), 'test', 'nest', 'shutdown-app.mjs');

interface Process {
  child: ChildProcess;
  url: string;
  /** All it has said so far. */
  lines: string[];
  output: Interface;
}

async function startProcess(options: object): Promise<Process> {
  const child = spawn(process.execPath, [PROGRAM, JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = once(child, 'exit');
  afterCase(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const lines: string[] = [];
  child.stderr!.on('data', (chunk) => lines.push(`stderr: ${String(chunk)}`));
  const output = createInterface({ input: child.stdout! });
  output.on('line', (line) => lines.push(line));
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop
    const [line] = (await Promise.race([once(output, 'line'), exited])) as [unknown];
    const [, port] = /^listening: (\d+)$/.exec(String(line)) ?? [];
    if (port !== undefined) return { child, url: `http://127.0.0.1:${port}`, lines, output };
    if (child.exitCode !== null) throw new Error(`the process ended: ${lines.join('\n')}`);
  }
}

afterEach(cleanUp);

describe.each(['express', 'fastify'])('a process with an application on %s', (platform) => {
  it.each([false, true])('ends soon after SIGTERM with clients on it (forceCloseConnections: %s)', async (force) => {
    const { child, url, lines, output } = await startProcess({ platform, force });
    const sockets = [
      await connect(url, { transports: ['websocket'] }),
      await connect(url, { transports: ['polling'] }),
      await connectAndUpgrade(url),
    ];
    const ends = sockets.map((socket) => next(socket, 'disconnect') as Promise<[string]>);
    const start = performance.now();
    const exited = once(child, 'exit');
    const outputEnded = once(output, 'close');
    child.kill('SIGTERM');
    expect(await exited).toEqual([null, 'SIGTERM']);
    expect(performance.now() - start).toBeLessThan(5000);
    await outputEnded;
    expect((await Promise.all(ends)).map(([reason]) => reason)).toEqual(Array(3).fill('transport close'));
    // what handleDisconnect still had to do is done before the application says that it has shut down
    expect(lines.slice(1)).toEqual([
      ...Array(3).fill('gone: server shutting down'),
      ...Array(3).fill('cleaned up'),
      'shut down: SIGTERM',
    ]);
  });

  it('lives when hooks of its gateways fail', async () => {
    const { child, url, lines } = await startProcess({ platform });
    for (const fail of ['throw', 'reject']) {
      const socket = client(url, { auth: { fail } });
      const answers = Promise.all([next(socket, 'exception'), next(socket, 'disconnect')]);
      socket.connect();
      // oxlint-disable-next-line no-await-in-loop
      expect(await answers).toMatchObject([{ message: 'Internal server error' }, ['io server disconnect']]);
    }
    for (const fail of ['throw at the end', 'reject at the end']) {
      // oxlint-disable-next-line no-await-in-loop
      (await connect(url, { auth: { fail } })).disconnect();
    }
    const socket = await connect(url);
    expect(await socket.emitWithAck('alive')).toBe('alive');
    expect(child.exitCode).toBeNull();
    const expected = ['thrown by', 'rejected by'].flatMap((how) =>
      ['handleConnection', 'handleDisconnect'].map((hook) => `${how} ${hook}`),
    );
    // its log may still be on the way
    const missing = (): string[] => expected.filter((text) => !lines.some((line) => line.includes(text)));
    // oxlint-disable-next-line no-await-in-loop
    while (missing().length > 0) await once(child.stderr!, 'data');
  });
});
