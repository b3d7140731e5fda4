import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Server } from 'socket.io';
import type { Emitter } from '../emitter/emitter.js';
import { EmitterHost } from '../emitter/emitter-host.js';
import { InvalidOptionError } from '../engine/index.js';
import { EmitterSource } from '../nest/emitters/application-emitters.js';
import type { ResolvedAddress } from '../nest/emitters/emitter-tokens.js';
import { resolveRedisOptions, type RedisScaleOutOptions } from '../scale-out/redis/options.js';
import { RedisAdapters } from '../scale-out/redis/redis-scale-out.js';
import { normalizePath } from '../socket-io/bind-socket-io.js';

/** Options of `RedisEmitterModule`: those of `redisScaleOut()` that the nodes have, but for what only nodes need. */
export interface RedisEmitterOptions extends Omit<RedisScaleOutOptions, 'relay' | 'recovery'> {
  /** Path of the nodes' servers, for emitters that name none: that of their `NestwireModule`. Default `/socket.io`. */
  path?: string;
}

export const REDIS_EMITTER_OPTIONS = Symbol('nestwire.redis-emitter-options');

/** A server of the nodes, as this process stands in for it: without an HTTP server, so that it has no clients. */
interface Headless {
  readonly server: Server;
  readonly host: EmitterHost;
  readonly namespaces: Set<string>;
}

/** Gives the emitters of a process that serves nobody. */
@Injectable()
export class RedisEmitters extends EmitterSource implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('Emitter');
  private readonly headless = new Map<string, Headless>();
  private readonly adapters: RedisAdapters;
  private readonly path: string;
  private readonly degrades: boolean;
  private hasStarted = false;

  /** @throws InvalidOptionError when an option cannot be honoured. */
  constructor(@Inject(REDIS_EMITTER_OPTIONS) { path, ...options }: RedisEmitterOptions) {
    super();
    for (const option of ['relay', 'recovery']) {
      if (option in options) throw new InvalidOptionError(option, 'is for nodes, which have clients');
    }
    const settings = resolveRedisOptions(options);
    this.path = normalizePath(path);
    this.degrades = settings.whenUnreachable === 'degrade';
    this.adapters = new RedisAdapters(settings, { log: (line) => this.logger.warn(line) });
  }

  of({ namespace, port, path = this.path }: ResolvedAddress): Emitter {
    const one = this.serverFor(`${port} ${path}`);
    one.namespaces.add(namespace);
    if (this.hasStarted) one.host.target(namespace).find();
    return one.host.emitter(namespace);
  }

  /** @throws Error when Redis is not there, and it may not do without. */
  async onApplicationBootstrap(): Promise<void> {
    try {
      await this.adapters.opened;
      for (const one of this.headless.values()) begin(one);
      await this.adapters.ready();
    } catch (error) {
      if (!this.degrades) {
        await this.onApplicationShutdown();
        throw error;
      }
      // what is not there in time is not waited for any longer
      await this.adapters.ready().catch(() => undefined);
      for (const one of this.headless.values()) begin(one);
    }
    this.hasStarted = true;
  }

  /** What was sent leaves before the connection ends. */
  async onApplicationShutdown(): Promise<void> {
    for (const { host, server } of this.headless.values()) {
      host.close();
      void server.sockets.adapter.close();
    }
    this.headless.clear();
    await this.adapters.close();
  }

  private serverFor(key: string): Headless {
    let one = this.headless.get(key);
    if (one === undefined) {
      const server = new Server({ adapter: this.adapters.factoryFor(key) as never, serveClient: false });
      const host = new EmitterHost({
        warn: (text) => this.logger.warn(text),
        error: (error) => this.logger.error(error),
      });
      host.serve(server);
      this.headless.set(key, (one = { server, host, namespaces: new Set() }));
      if (this.hasStarted) begin(one);
    }
    return one;
  }
}

function begin({ host, namespaces }: Headless): void {
  host.start();
  // its adapter begins to listen for answers before something is asked
  for (const namespace of namespaces) host.target(namespace).find();
}
