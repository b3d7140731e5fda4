/** Nodes of one application, each a process, with Redis and nginx: what several nodes are measured with. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient } from 'redis';
import { freePort, startProgram, startServer } from './processes.js';

/** A Redis server that keeps nothing on disk. */
export async function startRedis() {
  const port = await freePort();
  const fixed = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--appendonly',
    'no',
    '--loglevel',
    'warning',
  ];
  const program = await startProgram('redis-server', (directory) => [...fixed, '--dir', directory], port);
  const client = createClient({ url: `redis://127.0.0.1:${port}` });
  await client.connect();
  return {
    url: `redis://127.0.0.1:${port}`,
    cpu: program.cpu,
    /** Commands that it was given so far, and bytes that it was sent and has sent. */
    async traffic() {
      const info = await client.info('stats');
      const number = (name) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)[1]);
      const [commands, input, output] = ['commands_processed', 'net_input_bytes', 'net_output_bytes'].map((name) =>
        number(`total_${name}`),
      );
      return { commands, input, output };
    },
    async stop() {
      client.destroy();
      await program.stop();
    },
  };
}

/**
 * nginx in front of several groups of nodes, a port each. `groups`: `ports` of the nodes, and `isSticky`: by the cookie that
 * each client has of its own (`hash $cookie_client`); otherwise each request goes to the next node. `keepAlive`: whether
 * connections to nodes are kept.
 */
export async function startNginx(groups, { keepAlive = true } = {}) {
  const listen = [];
  for (let i = 0; i < groups.length; i++) listen.push(await freePort());
  const blocks = groups.map(({ ports, isSticky }, i) => {
    const servers = ports.map((port) => `server 127.0.0.1:${port} max_fails=0;`).join(' ');
    const kept = keepAlive ? 'keepalive 256; keepalive_requests 100000000; keepalive_timeout 4s;' : '';
    return `
      upstream nodes${i} { ${isSticky ? 'hash $cookie_client;' : ''} ${servers} ${kept} }
      server {
        listen 127.0.0.1:${listen[i]};
        location / {
          proxy_pass http://nodes${i};
          proxy_http_version 1.1;
          proxy_set_header Host $host;
          proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
          proxy_set_header Upgrade $http_upgrade;
          proxy_set_header Connection $connection_upgrade;
          proxy_next_upstream error timeout http_503 non_idempotent;
        }
      }`;
  });
  const args = async (directory) => {
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((n) => `${n}_temp_path ${directory}/${n};`);
    const file = join(directory, 'nginx.conf');
    // one process, so that its CPU is that of nginx
    const text = `daemon off; master_process off; pid ${directory}/nginx.pid; error_log stderr error;
      events { worker_connections 8192; }
      http {
        access_log off; keepalive_requests 100000000; ${paths.join(' ')}
        map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
        ${blocks.join('\n')}
      }`;
    await writeFile(file, text);
    return ['-p', directory, '-c', file];
  };
  const { cpu, stop } = await startProgram('nginx', args, listen.at(-1));
  return { ports: listen, cpu, stop };
}

/** Nodes of one peer with a Redis of their own. */
export class Nodes {
  constructor(redis) {
    this.redis = redis;
    this.children = [];
  }

  /** `peer`: one of `servers/nest.ts` that uses Redis. */
  static async start(peer, count, options = {}) {
    const nodes = new Nodes(await startRedis());
    try {
      for (let i = 0; i < count; i++) {
        nodes.children.push(await startServer(peer, { ...options, redis: nodes.redis.url }));
      }
    } catch (error) {
      await nodes.stop();
      throw error;
    }
    return nodes;
  }

  get ports() {
    return this.children.map(({ ready }) => ready);
  }

  /** What each says to a call. */
  each(command, args) {
    return Promise.all(this.children.map((child) => child.call(command, args)));
  }

  /** Microseconds of CPU that each node has used. */
  async cpu() {
    return (await this.each('cpu')).map(({ user, system }) => user + system);
  }

  async stop() {
    await Promise.all(this.children.map((child) => child.stop()));
    await this.redis.stop();
  }
}
