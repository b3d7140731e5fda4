import { createAdapter } from '@socket.io/redis-streams-adapter';
import type { Namespace } from 'socket.io';
import type { AdapterConnection } from './adapter-connection.js';
import { within } from './connection.js';
import type { RedisSettings } from './options.js';
import { keepSnapshots } from './snapshots.js';

/** The streams adapter of one namespace. */
export type StreamsAdapter = ReturnType<ReturnType<typeof createAdapter>>;

type Packet = Parameters<StreamsAdapter['broadcast']>[0];
type BroadcastOptions = Parameters<StreamsAdapter['broadcast']>[1];
type Broadcast = (this: StreamsAdapter, packet: Packet, options: BroadcastOptions) => unknown;

/** What socket.io's option `adapter` is: makes the adapter of a namespace. */
export type AdapterFactory = (namespace: Namespace) => StreamsAdapter;

/** Milliseconds that a client which comes back waits for its session; then it gets a new one. */
const RESTORE_TIMEOUT = 2000;

/** Type of a packet with an event, in every revision of the Socket.IO protocol. */
const EVENT = 2;

/** The server that a name without port and path of its own stands for: the application's own, on socket.io's path. */
const MAIN_SERVER = '0 /socket.io';

/** What the keys and channels of one server of an application are called; servers must not hear each other. */
export function namesOf(settings: RedisSettings, server: string) {
  // the names of the main server are those that other programs (an emitter, nodes of an earlier version) may have been told
  const suffix = server === MAIN_SERVER ? '' : `:${server.replace(' ', '')}`;
  const streamName = settings.streamName + suffix;
  const streams = Array.from({ length: settings.streamCount }, (_, i) => `${streamName}-${i}`);
  return {
    streamName,
    channelPrefix: settings.channelPrefix + suffix,
    sessionKeyPrefix: settings.sessionKeyPrefix + (suffix && `${suffix.slice(1)}:`),
    streams: settings.streamCount === 1 ? [streamName] : streams,
  };
}

/**
 * Makes the adapters of one socket.io server: those of `@socket.io/redis-streams-adapter`, with the edges taken off that
 * cut when Redis is away, or when a client is to recover.
 *
 * @param created hears of each adapter, by the channel on which it will listen.
 */
export function adapterFactory(
  connection: AdapterConnection,
  settings: RedisSettings,
  server: string,
  log: (message: string) => void,
  created: (channel: string) => void,
): AdapterFactory {
  const { streams: _streams, ...names } = namesOf(settings, server);
  const create = createAdapter(connection, {
    ...names,
    streamCount: settings.streamCount,
    maxLen: settings.maxLen,
    useShardedPubSub: settings.shardedPubSub,
  });
  // socket.io calls it with `new`
  return function adapterOf(namespace: Namespace) {
    const adapter = create(namespace);
    created(`${names.channelPrefix}#${namespace.name}#`);
    broadcastWithCare(adapter, log);
    restoreInTime(adapter, connection);
    const recovery = recoveryOf(adapter);
    if (settings.snapshots && recovery) {
      keepSnapshots(adapter, connection, names.sessionKeyPrefix, recovery.maxDisconnectionDuration, log);
    }
    return adapter;
  };
}

/**
 * A broadcast that stays on this node needs no promise, and throws where it cannot be encoded, as without scale-out; one
 * that goes through Redis must not end the process for that.
 *
 * It also keeps clients recoverable. A client takes the last argument of what it receives for its place in the stream, if
 * that is a text; of an event that is not in the stream (`local`, `volatile`) that would be a place that does not exist, and
 * its recovery would fail. So such an event gets `null` where others have their place.
 */
function broadcastWithCare(adapter: StreamsAdapter, log: (message: string) => void): void {
  const stock = adapter.broadcast.bind(adapter);
  const here = inMemory(adapter);
  adapter.broadcast = (packet: Packet, options: BroadcastOptions): Promise<void> => {
    const { local, volatile } = (options.flags ?? {}) as { local?: boolean; volatile?: boolean };
    const isPlaceless = (local || volatile) && packet.type === EVENT && packet.id === undefined;
    if (isPlaceless && typeof packet.data.at(-1) === 'string' && recoveryOf(adapter)) packet.data.push(null);
    if (local) {
      here.call(adapter, packet, options);
      return DONE;
    }
    return stock(packet, options).catch((error: unknown) => {
      log(`a broadcast of "${String(packet.data?.[0])}" could not be sent: ${String(error)}`);
    });
  };
}

const DONE = Promise.resolve();

/** A client that comes back while Redis is away, or slow, is let in as a new one. */
function restoreInTime(adapter: StreamsAdapter, connection: AdapterConnection): void {
  const stock = adapter.restoreSession.bind(adapter);
  adapter.restoreSession = (pid, offset) => {
    if (!connection.isReady) return Promise.reject(new Error('Redis is away'));
    return within(RESTORE_TIMEOUT, stock(pid, offset));
  };
}

/** socket.io has put its default in place: two minutes. */
function recoveryOf(adapter: StreamsAdapter): { maxDisconnectionDuration: number } | undefined {
  const { opts } = adapter.nsp.server as { opts: { connectionStateRecovery?: { maxDisconnectionDuration: number } } };
  return opts.connectionStateRecovery;
}

/** How socket.io's in-memory adapter broadcasts, which every other one extends. */
function inMemory(adapter: StreamsAdapter): Broadcast {
  let found: Broadcast = adapter.broadcast;
  for (let one = Object.getPrototypeOf(adapter); one !== null; one = Object.getPrototypeOf(one)) {
    if (Object.hasOwn(one, 'broadcast')) found = one.broadcast as Broadcast;
  }
  return found;
}
