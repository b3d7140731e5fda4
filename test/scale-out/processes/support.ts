import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { RelayStats } from 'nestwire/engine';
import type { Socket } from 'socket.io-client';
import { freePort } from '../../support/free-port.js';
import type { Nginx } from '../../support/nginx.js';
import { startRedis, type RedisServer } from '../../support/redis-server.js';
import { startBalancer } from '../balancer.js';

const PROGRAM = join(process.cwd(), 'test', 'scale-out', 'processes', 'node-app.mjs');

/** A node in a process of its own; needs the built package (`npm run build`). */
export class NodeProcess {
  /** All that it has said. */
  readonly lines: string[] = [];
  private readonly exited: Promise<unknown>;

  private constructor(
    readonly port: number,
    private readonly child: ChildProcess,
    private readonly output: ReturnType<typeof createInterface>,
  ) {
    this.exited = once(child, 'exit');
    output.on('line', (line) => this.lines.push(line));
    child.stderr!.on('data', (chunk: Buffer) => this.lines.push(`stderr: ${String(chunk)}`));
  }

  /** @param options of the application, beside `port` and `redis`. */
  static async start(port: number, redis: RedisServer, options: object): Promise<NodeProcess> {
    const given = JSON.stringify({ port, redis: redis.url, ...options });
    const child = spawn(process.execPath, [PROGRAM, given], { stdio: ['pipe', 'pipe', 'pipe'] });
    const node = new NodeProcess(port, child, createInterface({ input: child.stdout! }));
    await node.says(/^listening: /);
    return node;
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Waits for a line, or takes one that has come. */
  async says(pattern: RegExp, from = 0): Promise<string> {
    for (;;) {
      const line = this.lines.slice(from).find((one) => pattern.test(one));
      if (line !== undefined) return line;
      // oxlint-disable-next-line no-await-in-loop
      await Promise.race([once(this.output, 'line'), this.exited]);
      if (this.child.exitCode !== null) throw new Error(`the process ended:\n${this.lines.join('\n')}`);
    }
  }

  /** Ids of the messages that it has handled, as often as it has. */
  handled(): string[] {
    return this.lines.flatMap((line) => /^handled: (.*)$/.exec(line)?.[1] ?? []);
  }

  async stats(): Promise<{ sessions: number; relay: RelayStats }> {
    const from = this.lines.length;
    this.child.stdin!.write('stats\n');
    const line = await this.says(/^stats: /, from);
    return JSON.parse(line.slice('stats: '.length)) as { sessions: number; relay: RelayStats };
  }

  /** Sends a signal, and waits for the end of the process where it ends by it. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    this.child.kill(signal);
    await this.exited;
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }
}

/** Three nodes, each a process, one Redis, and a real nginx in front that gives each request to the next node. */
export class Cluster {
  private readonly clients: Socket[] = [];

  private constructor(
    readonly redis: RedisServer,
    readonly nodes: NodeProcess[],
    readonly nginx: Nginx,
    private readonly options: object,
  ) {}

  static async start(options: object = {}): Promise<Cluster> {
    const redis = await startRedis();
    const ports = await Promise.all([freePort(), freePort(), freePort()]);
    const nodes = await Promise.all(ports.map((port) => NodeProcess.start(port, redis, options)));
    return new Cluster(redis, nodes, await startBalancer(ports), options);
  }

  get url(): string {
    return `http://127.0.0.1:${this.nginx.port}`;
  }

  /** Opens a client and waits until it is connected. */
  async open(make: (url: string) => Socket): Promise<Socket> {
    const client = make(this.url);
    this.clients.push(client);
    if (!client.connected) await once(client as never, 'connect');
    return client;
  }

  openMany(count: number, make: (url: string) => Socket): Promise<Socket[]> {
    return Promise.all(Array.from({ length: count }, () => this.open(make)));
  }

  /** Starts a node again where another one was. */
  async replace(index: number): Promise<NodeProcess> {
    const node = await NodeProcess.start(this.nodes[index]!.port, this.redis, this.options);
    this.nodes[index] = node;
    return node;
  }

  /** Disconnects all clients. */
  hangUp(): void {
    for (const client of this.clients.splice(0)) client.disconnect();
  }

  async close(): Promise<void> {
    this.hangUp();
    await Promise.all(this.nodes.map((node) => node.end('SIGKILL')));
    await this.nginx.stop();
    await this.redis.close();
  }
}
