import type { Engine } from '../../engine/index.js';
import type { Relay } from '../../engine/relay.js';
import { RelayNode } from '../relay-node.js';
import type { ScaleOut, ScaleOutHost, ScaleOutNode } from '../scale-out.js';
import { AdapterConnection } from './adapter-connection.js';
import { relayHosts } from './address.js';
import { RedisConnection, within } from './connection.js';
import { adapterFactory, namesOf, type AdapterFactory } from './namespace-adapter.js';
import { RedisNodeRegistry } from './node-registry.js';
import { resolveRedisOptions, type RedisScaleOutOptions, type RedisSettings } from './options.js';
import { SharedSecret } from './shared-secret.js';

/** Milliseconds that Redis may take to be there at start. */
const START_TIMEOUT = 4000;

/** Milliseconds that the last commands of a node may take. */
const CLOSE_GRACE = 1000;

/** Milliseconds between two signs of life on an idle connection, and without one after which it is made anew. */
const PING_INTERVAL = 5000;
const SOCKET_TIMEOUT = 20_000;

/** Milliseconds that TCP and TLS may take. */
const CONNECT_TIMEOUT = 2000;

/**
 * Several nodes behind any balancer, over Redis (6.0 or later) or Valkey:
 *
 * ```ts
 * NestwireModule.forRoot({ scaleOut: redisScaleOut({ url: 'redis://redis:6379' }) })
 * ```
 *
 * See `docs/scaling.md`.
 *
 * @throws InvalidOptionError when an option cannot be honoured.
 */
export function redisScaleOut(options: RedisScaleOutOptions = {}): ScaleOut {
  const settings = resolveRedisOptions(options);
  return { start: (host) => new RedisScaleOutNode(settings, host) };
}

/** What one application has of Redis for the adapters of its socket.io servers. */
export class RedisAdapters {
  readonly connection: AdapterConnection;
  /** Rejects when Redis is not there in time. */
  readonly opened: Promise<void>;
  private readonly redis: RedisConnection;
  /** What has to be there at start; null from then on, when namespaces come and go. */
  private awaited: Promise<unknown>[] | null = [];

  constructor(
    private readonly settings: RedisSettings,
    private readonly host: ScaleOutHost,
  ) {
    const { target } = settings;
    let isAway = false;
    this.redis = new RedisConnection(
      // with its queue for commands that cannot be sent, without which the adapter's loop would never rest
      { ...connectionOptions(settings), commandsQueueMaxLength: settings.maxWaiting },
      {
        lost: ({ message }) => {
          isAway = true;
          host.log(`Redis at ${target} is away: ${message}. Messages to clients of other nodes wait for it`);
        },
        found: () => {
          if (isAway) host.log(`Redis at ${target} is back`);
        },
      },
    );
    this.connection = new AdapterConnection(this.redis);
    this.opened = within(START_TIMEOUT, this.redis.open()).catch(() => {
      const { message = 'no answer' } = this.redis.lastError ?? {};
      throw new Error(`Nestwire: Redis at ${target} cannot be reached: ${message}`);
    });
    this.opened.catch(() => undefined);
  }

  /** The option `adapter` of a server. */
  factoryFor(server: string): AdapterFactory {
    for (const stream of namesOf(this.settings, server).streams) {
      const position = this.connection.position(stream);
      this.awaited?.push(position);
    }
    return adapterFactory(
      this.connection,
      this.settings,
      server,
      (message) => this.host.log(message),
      (channel) => void this.awaited?.push(this.connection.listening(channel)),
    );
  }

  /** Resolves when the servers and namespaces made so far will get all that is sent from now on. */
  async ready(): Promise<void> {
    const awaited = this.awaited ?? [];
    this.awaited = null;
    await this.opened;
    await within(START_TIMEOUT, Promise.all(awaited));
  }

  close(): Promise<void> {
    return this.connection.close(CLOSE_GRACE);
  }
}

/** One application's part in it. */
class RedisScaleOutNode implements ScaleOutNode {
  private readonly adapters: RedisAdapters;
  private readonly registryConnection: RedisConnection;
  private readonly sharedSecret: SharedSecret;
  private readonly relay: RelayNode;
  private readonly factories = new Map<string, AdapterFactory>();
  private closed: Promise<void> | undefined;

  constructor(
    private readonly settings: RedisSettings,
    host: ScaleOutHost,
  ) {
    const log = (message: string): void => host.log(message);
    this.adapters = new RedisAdapters(settings, host);
    this.registryConnection = new RedisConnection(
      { ...connectionOptions(settings), disableOfflineQueue: true },
      { lost: () => undefined, found: () => void this.sharedSecret.keep() },
    );
    this.sharedSecret = new SharedSecret(this.registryConnection, `${settings.keyPrefix}secret`, log);
    const reached = this.registryConnection.open();
    const { secret, port } = settings.relay;
    const degrades = settings.whenUnreachable === 'degrade';
    this.relay = new RelayNode({
      registry: new RedisNodeRegistry(this.registryConnection, `${settings.keyPrefix}nodes`),
      // not before there is a registry to enter this node into
      secret: reached.then(() => secret ?? this.sharedSecret.get()),
      ...relayHosts(settings.relay),
      ...(port !== undefined && { port }),
      ...(degrades && { mayDegrade: true }),
      log,
    });
  }

  get ready(): Promise<void> {
    return this.started().catch(async (error: unknown) => {
      // nobody closes what did not start, and what goes on trying keeps a process alive
      await this.close();
      throw error;
    });
  }

  adapterFor(server: string): AdapterFactory {
    let factory = this.factories.get(server);
    if (factory === undefined) {
      factory = this.adapters.factoryFor(server);
      this.factories.set(server, factory);
    }
    return factory;
  }

  relayFor(name: string, engine: Engine): Relay {
    return this.relay.relayFor(name, engine);
  }

  close(): Promise<void> {
    return (this.closed ??= this.end());
  }

  private async started(): Promise<void> {
    const degrades = this.settings.whenUnreachable === 'degrade';
    // that Redis is away is logged by its connection
    await this.adapters.ready().catch((error: unknown) => {
      if (!degrades) throw error;
    });
    // where it may do without Redis it waits for its port only
    await within(START_TIMEOUT, this.relay.ready);
  }

  private async end(): Promise<void> {
    this.sharedSecret.close();
    await this.relay.close();
    await Promise.all([this.registryConnection.close(), this.adapters.close()]);
  }
}

function connectionOptions(settings: RedisSettings) {
  const { client } = settings;
  return {
    name: 'nestwire',
    ...client,
    RESP: 2 as const,
    pingInterval: PING_INTERVAL,
    socket: { connectTimeout: CONNECT_TIMEOUT, socketTimeout: SOCKET_TIMEOUT, ...client.socket },
  };
}
