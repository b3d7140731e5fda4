import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { freePort } from '../../support/free-port.js';
import type { RedisServer } from '../../support/redis-server.js';
import { NodeProcess } from './support.js';

/** A stretch of network on loopback that can break: what comes to one address goes on to another one. */
export class Link {
  /** Milliseconds that all bytes take, either way. */
  delay = 0;
  private readonly server = createServer((socket) => this.carry(socket));
  private readonly sockets = new Set<Socket>();
  private readonly timers = new Set<NodeJS.Timeout>();
  private isBroken = false;

  private constructor(
    readonly port: number,
    private readonly target: { readonly host: string; readonly port: number },
  ) {}

  /** @param port on 127.0.0.1. */
  static async open(port: number, target: { host: string; port: number }): Promise<Link> {
    const link = new Link(port, target);
    await once(link.server.listen(port, '127.0.0.1'), 'listening');
    return link;
  }

  /** From now on nothing gets through, and nobody is told, as when a cable is pulled. */
  break(): void {
    this.isBroken = true;
    for (const socket of this.sockets) socket.pause();
  }

  /** The cable is back: what was sent in the meantime and waits here goes on. */
  mend(): void {
    this.isBroken = false;
    for (const socket of this.sockets) socket.resume();
  }

  async close(): Promise<void> {
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
    for (const socket of this.sockets) socket.removeAllListeners('close').destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private carry(socket: Socket): void {
    this.keep(socket);
    // as if the packets that open a connection were lost
    if (this.isBroken) return;
    const onward = connect(this.target.port, this.target.host);
    this.keep(onward);
    this.join(socket, onward);
    this.join(onward, socket);
  }

  private join(from: Socket, to: Socket): void {
    from.on('data', (chunk) => this.later(() => this.isBroken || to.write(chunk)));
    from.on('close', () => this.later(() => this.isBroken || to.destroy()));
  }

  private later(run: () => void): void {
    if (this.delay === 0) {
      run();
      return;
    }
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      run();
    }, this.delay);
    this.timers.add(timer);
  }

  private keep(socket: Socket): void {
    this.sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.sockets.delete(socket));
  }
}

/** A node whose ways to Redis and from its fellow nodes can be broken. */
export interface Cuttable {
  readonly node: NodeProcess;
  readonly toRedis: Link;
  readonly fromPeers: Link;
  close(): Promise<void>;
}

export async function startCuttable(redis: RedisServer, options: object = {}): Promise<Cuttable> {
  const [port, relayPort] = [await freePort(), await freePort()];
  const toRedis = await Link.open(await freePort(), { host: '127.0.0.1', port: redis.port });
  // it listens on one address of the loopback, and is told to others by another one
  const fromPeers = await Link.open(relayPort, { host: '127.0.0.2', port: relayPort });
  const relay = { host: '127.0.0.2', advertisedHost: '127.0.0.1', port: relayPort };
  const given = { ...redis, url: `redis://127.0.0.1:${toRedis.port}` };
  const node = await NodeProcess.start(port, given, { ...options, scaleOut: { relay } });
  return {
    node,
    toRedis,
    fromPeers,
    async close() {
      await node.end('SIGKILL');
      await Promise.all([toRedis.close(), fromPeers.close()]);
    },
  };
}
