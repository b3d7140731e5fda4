import type { RedisClientOptions } from 'redis';
import { InvalidOptionError } from '../../engine/index.js';

/** What a client of the `redis` package may be told besides its URL; the rest of its options is Nestwire's to decide. */
export type RedisClientSettings = Pick<
  RedisClientOptions,
  'username' | 'password' | 'credentialsProvider' | 'database' | 'name' | 'socket'
>;

/** Where the relay listens for other nodes; see `docs/scaling.md`. */
export interface RedisRelayOptions {
  /** Address to listen on. Default: the one that others use, if it is one of this machine's. */
  host?: string;
  /**
   * Address by which other nodes reach this one. Default: `host`, else the environment's `NESTWIRE_RELAY_HOST` or `POD_IP`,
   * else the first IPv4 address that is not the loopback, else the loopback.
   */
  advertisedHost?: string;
  /** Port to listen on. Default: any free one; others learn it from Redis. */
  port?: number;
  /**
   * What requests between nodes are signed with, the same on all of them; at least 32 characters. Default: the
   * environment's `NESTWIRE_SECRET`, else one that the first node makes and leaves in Redis for the others.
   */
  secret?: string;
}

/** Options of connection state recovery across nodes; it is switched on by `connectionStateRecovery`, as in socket.io. */
export interface RedisRecoveryOptions {
  /**
   * Whether a client recovers also from a node that died. socket.io keeps a session when its connection ends in order; with
   * this it is kept at connect, after changes of rooms, and now and then. Default false: it costs Redis one SET for each of
   * these.
   */
  snapshots?: boolean;
}

/** Options of `redisScaleOut()`. */
export interface RedisScaleOutOptions {
  /** `redis[s]://[[user]:password@]host[:port][/database]`. Default: what `client` says, else `redis://localhost:6379`. */
  url?: string;
  /** Options of the `redis` package: password, TLS (`socket: { tls: true, ca }`), a Unix socket (`socket: { path }`). */
  client?: RedisClientSettings;
  /** What the names of all keys and channels begin with: one for each application on a Redis. Default `nestwire:`. */
  keyPrefix?: string;
  /** Key of the stream that carries what is sent to clients of all nodes. Default `<keyPrefix>socket.io`. */
  streamName?: string;
  /** Streams to spread namespaces over. Default 1. */
  streamCount?: number;
  /** What the channels of requests between nodes begin with. Default: `streamName`. */
  channelPrefix?: string;
  /** What the keys of sessions that may be recovered begin with. Default `<keyPrefix>session:`. */
  sessionKeyPrefix?: string;
  /**
   * Entries that a stream keeps, about; older ones are lost to nodes that lag behind and to clients that recover. Default
   * 10,000.
   */
  maxLen?: number;
  /**
   * Messages that wait on a node while Redis is away; more go to the node's own clients only. Default: `maxLen`, for the
   * stream would not keep more.
   */
  maxWaiting?: number;
  /** Whether channels are sharded (Redis 7), for Redis clusters. Default false. */
  shardedPubSub?: boolean;
  /**
   * What happens when Redis is not there at start. `fail`: the application does not start. `degrade`: it starts after a few
   * seconds, without the other nodes until Redis is there. Default `fail`.
   */
  whenUnreachable?: 'fail' | 'degrade';
  /** Connection state recovery across nodes. */
  recovery?: RedisRecoveryOptions;
  /** Where the relay listens for other nodes. */
  relay?: RedisRelayOptions;
}

/** Options with all defaults in place. */
export interface RedisSettings {
  readonly client: RedisClientOptions;
  /** Where Redis is, for log lines: no password. */
  readonly target: string;
  readonly keyPrefix: string;
  readonly streamName: string;
  readonly streamCount: number;
  readonly channelPrefix: string;
  readonly sessionKeyPrefix: string;
  readonly maxLen: number;
  readonly maxWaiting: number;
  readonly shardedPubSub: boolean;
  readonly whenUnreachable: 'fail' | 'degrade';
  readonly snapshots: boolean;
  readonly relay: Readonly<RedisRelayOptions>;
}

/** Below, a secret could be guessed. */
const SHORTEST_SECRET = 32;

type Check = readonly [test: (value: any) => boolean, problem: string];

const TEXT: Check = [(value) => typeof value === 'string' && value !== '', 'must be a text that is not empty'];
const FLAG: Check = [(value) => typeof value === 'boolean', 'must be true or false'];
const COUNT: Check = [(value) => Number.isSafeInteger(value) && value > 0, 'must be a whole number above 0'];
const GROUP: Check = [isRecord, 'must be an object with options'];

const CHECKS: Readonly<Record<string, Readonly<Record<string, Check>>>> = {
  '': {
    url: [isRedisUrl, 'must be a URL such as redis://host:6379 or rediss://user:password@host'],
    client: GROUP,
    keyPrefix: [(value) => typeof value === 'string', 'must be a text'],
    streamName: TEXT,
    streamCount: COUNT,
    channelPrefix: TEXT,
    sessionKeyPrefix: TEXT,
    maxLen: COUNT,
    maxWaiting: COUNT,
    shardedPubSub: FLAG,
    whenUnreachable: [(value) => value === 'fail' || value === 'degrade', 'must be "fail" or "degrade"'],
    recovery: GROUP,
    relay: GROUP,
  },
  'client.': {
    username: TEXT,
    password: TEXT,
    credentialsProvider: GROUP,
    database: [(value) => Number.isSafeInteger(value) && value >= 0, 'must be a whole number'],
    name: TEXT,
    socket: GROUP,
  },
  'recovery.': { snapshots: FLAG },
  'relay.': {
    host: TEXT,
    advertisedHost: TEXT,
    port: [(value) => Number.isInteger(value) && value >= 0 && value <= 65_535, 'must be a port, or 0 for any'],
    secret: [
      (value) => typeof value === 'string' && value.length >= SHORTEST_SECRET,
      `must be a text of at least ${SHORTEST_SECRET} characters`,
    ],
  },
};

/**
 * Checks options and puts the defaults in place.
 *
 * @throws InvalidOptionError naming the option.
 */
export function resolveRedisOptions(
  options: RedisScaleOutOptions,
  environment: NodeJS.ProcessEnv = process.env,
): RedisSettings {
  if (!isRecord(options)) throw new InvalidOptionError('scaleOut', 'of redisScaleOut() must be an object with options');
  check(options, '');
  const { client = {}, recovery = {}, relay = {}, keyPrefix = 'nestwire:', maxLen = 10_000 } = options;
  check(client, 'client.');
  check(recovery, 'recovery.');
  const secret = relay.secret ?? (environment['NESTWIRE_SECRET'] || undefined);
  check({ ...relay, secret }, 'relay.');
  if (client.socket && 'reconnectStrategy' in client.socket) {
    throw new InvalidOptionError(
      'scaleOut.client.socket.reconnectStrategy',
      'is decided by Nestwire: it never gives up',
    );
  }
  const streamName = options.streamName ?? `${keyPrefix}socket.io`;
  return {
    client: { ...client, ...(options.url !== undefined && { url: options.url }) },
    target: targetOf(options.url, client),
    keyPrefix,
    streamName,
    streamCount: options.streamCount ?? 1,
    channelPrefix: options.channelPrefix ?? streamName,
    sessionKeyPrefix: options.sessionKeyPrefix ?? `${keyPrefix}session:`,
    maxLen,
    maxWaiting: options.maxWaiting ?? maxLen,
    shardedPubSub: options.shardedPubSub ?? false,
    whenUnreachable: options.whenUnreachable ?? 'fail',
    snapshots: recovery.snapshots ?? false,
    relay: { ...relay, secret },
  };
}

function check(options: object, group: string): void {
  for (const [name, value] of Object.entries(options)) {
    const rule = CHECKS[group]![name];
    if (rule === undefined) throw new InvalidOptionError(`scaleOut.${group}${name}`, 'does not exist');
    if (value !== undefined && !rule[0](value)) throw new InvalidOptionError(`scaleOut.${group}${name}`, rule[1]);
  }
}

function targetOf(url: string | undefined, { socket }: RedisClientSettings): string {
  const given = (socket ?? {}) as { host?: string; port?: number; path?: string };
  if (given.path !== undefined) return given.path;
  const { hostname, port } = new URL(url ?? 'redis://localhost');
  return `${given.host ?? hostname}:${given.port ?? (port || 6379)}`;
}

function isRedisUrl(value: unknown): boolean {
  if (typeof value !== 'string' || !URL.canParse(value)) return false;
  const { protocol, hostname } = new URL(value);
  return (protocol === 'redis:' || protocol === 'rediss:') && hostname !== '';
}

function isRecord(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
