import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.js';

/** A running nginx in front of a server of the test. */
export interface Nginx {
  /** Port on 127.0.0.1 that clients use. */
  readonly port: number;
  stop(): Promise<void>;
}

/** Resolves when something listens on a port; rejects when nginx ended before. */
async function opened(port: number, nginx: ChildProcess, errors: () => string): Promise<void> {
  while (nginx.exitCode === null) {
    const socket = connect(port, '127.0.0.1');
    const open = await Promise.race([
      once(socket, 'connect').then(() => true),
      new Promise<boolean>((resolve) => socket.once('error', () => resolve(false))),
    ]);
    socket.destroy();
    if (open) return;
    await new Promise(setImmediate);
  }
  throw new Error(`nginx ended at start: ${errors()}`);
}

/**
 * Starts nginx on a free loopback port.
 *
 * @param locations the `location` blocks of its only server.
 * @param http what stands beside the server: `upstream` blocks.
 */
export async function startNginx(locations: string, http = ''): Promise<Nginx> {
  const directory = await mkdtemp(join(tmpdir(), 'nestwire-nginx-'));
  const port = await freePort();
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${directory}/${name};`)
    .join('\n');
  await writeFile(
    join(directory, 'nginx.conf'),
    // workers of another user could not write into the directory
    `${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off;
worker_processes 1;
pid ${directory}/nginx.pid;
error_log stderr error;
events { worker_connections 4096; }
http {
  access_log off;
  ${paths}
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  ${http}
  server {
    listen 127.0.0.1:${port};
    ${locations}
  }
}
`,
  );
  const nginx = spawn('nginx', ['-p', directory, '-c', join(directory, 'nginx.conf')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let errors = '';
  nginx.stderr.on('data', (chunk: Buffer) => (errors += chunk));
  const failed = new Promise<never>((_resolve, reject) => nginx.once('error', reject));
  await Promise.race([opened(port, nginx, () => errors), failed]);
  return {
    port,
    async stop() {
      if (nginx.exitCode === null) {
        nginx.kill('SIGTERM');
        await once(nginx, 'exit');
      }
      await rm(directory, { recursive: true, force: true });
    },
  };
}
