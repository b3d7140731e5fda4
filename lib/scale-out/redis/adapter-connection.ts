import { ErrorReply } from 'redis';
import { RedisConnection, type RedisClient } from './connection.js';

type Args<K extends keyof RedisClient> = RedisClient[K] extends (...args: infer A) => unknown ? A : never;

/**
 * Redis as the streams adapter of socket.io wants to have it: what it calls of a client of the `redis` package, and
 * nothing else. It stands between the two, since the adapter leaves things to chance that end a process or lose messages:
 *
 * - It does not look at what becomes of PUBLISH, SET, SUBSCRIBE and PUBSUB; when the connection breaks while one of them is under
 *   way, Node ends the process over an unhandled rejection. Here each has a handler.
 * - It reads on at once when reading failed. Where reading fails at once too (Redis is loading its data, the client is
 *   closed) that never ends. Here a failure takes a moment, and a reader that was closed never hears again.
 * - It reads from `$` until it has read something: what others write while a node that has read nothing yet is between two
 *   reads, or without Redis, is lost to it. Here `$` is found out once, and means the same from then on.
 */
export class AdapterConnection {
  private readonly readers: AdapterConnection[] = [];
  private readonly connection: RedisConnection;
  /** Ids of the last entries of streams, when they were asked for first. */
  private readonly positions = new Map<string, Promise<string>>();
  /** Channels that somebody waits for. */
  private readonly awaited = new Map<string, () => void>();
  private readonly origin: AdapterConnection;
  private isClosed = false;

  /** @param origin the one that this is a duplicate of. */
  constructor(connection: RedisConnection, origin?: AdapterConnection) {
    this.connection = connection;
    this.origin = origin ?? this;
  }

  private get client(): RedisClient {
    return this.connection.client;
  }

  /** Whether Redis would get a command at once. */
  get isReady(): boolean {
    return this.connection.isReady;
  }

  /** Errors have a listener, and nothing else is asked for. */
  on(): this {
    return this;
  }

  connect(): Promise<void> {
    return this.connection.open();
  }

  /** A connection of its own, for what blocks; it is closed with this one. */
  duplicate(): AdapterConnection {
    const reader = new AdapterConnection(this.connection.another(), this);
    if (this.isClosed) void reader.close();
    this.readers.push(reader);
    return reader;
  }

  /** Where reading of a stream begins: what is written from the first call on is read. Rejects while Redis is away. */
  position(key: string): Promise<string> {
    let position = this.positions.get(key);
    if (position === undefined) {
      position = handled(this.latest(key));
      this.positions.set(key, position);
      position.catch(() => this.positions.delete(key));
    }
    return position;
  }

  async xRead([{ key, id }]: [{ key: string; id: string }], options: Args<'xRead'>[1]): Promise<unknown> {
    if (this.isClosed) return never();
    try {
      const from = id === '$' ? await this.origin.position(key) : id;
      return await this.client.xRead([{ key, id: from }], options);
    } catch (error) {
      await this.pause();
      throw error;
    }
  }

  xAdd(...args: Args<'xAdd'>): Promise<unknown> {
    return this.client.xAdd(...args);
  }

  xRange(...args: Args<'xRange'>): Promise<unknown> {
    return this.client.xRange(...args);
  }

  multi(): unknown {
    return this.client.multi();
  }

  /**
   * How the adapter counts nodes. Asked again until there is an answer: socket.io does not look at a failure where it counts
   * for a request to all clients, which has a time limit of its own.
   */
  async sendCommand(...args: Args<'sendCommand'>): Promise<unknown> {
    for (;;) {
      try {
        // one try after the other
        // oxlint-disable-next-line no-await-in-loop
        return await this.client.sendCommand(...args);
      } catch (error) {
        if (error instanceof ErrorReply && isFinal(error, args[0])) throw error;
        // oxlint-disable-next-line no-await-in-loop
        await this.pause();
      }
    }
  }

  set(...args: Args<'set'>): Promise<unknown> {
    return handled(this.client.set(...args));
  }

  del(key: string): void {
    void handled(this.client.del(key));
  }

  publish(...args: Args<'publish'>): Promise<unknown> {
    return handled(this.client.publish(...args));
  }

  sPublish(...args: Args<'sPublish'>): Promise<unknown> {
    return handled(this.client.sPublish(...args));
  }

  subscribe(...args: Parameters<RedisClient['subscribe']>): Promise<void> {
    return this.listen(args[0], () => this.client.subscribe(...args));
  }

  sSubscribe(...args: Parameters<RedisClient['sSubscribe']>): Promise<void> {
    return this.listen(args[0], () => this.client.sSubscribe(...args));
  }

  /** Resolves when a duplicate begins to listen to a channel. To be asked before it does. */
  listening(channel: string): Promise<void> {
    return new Promise((resolve) => this.awaited.set(channel, resolve));
  }

  /** The adapter lets a reader go; it is closed with all others. */
  disconnect(): Promise<void> {
    return this.close();
  }

  /** Ends this connection and its readers. @param grace milliseconds for what was sent already. */
  async close(grace = 0): Promise<void> {
    this.isClosed = true;
    await Promise.all([this.connection.close(grace), ...this.readers.map((reader) => reader.close())]);
  }

  /** Tried until it is done: the adapter asks once, and would never hear anything if the connection broke just then. */
  private async listen(channels: string | string[], subscribe: () => Promise<unknown>): Promise<void> {
    for (;;) {
      try {
        // one try after the other
        // oxlint-disable-next-line no-await-in-loop
        await subscribe();
        break;
      } catch {
        // oxlint-disable-next-line no-await-in-loop
        await this.pause();
      }
    }
    for (const channel of [channels].flat()) {
      this.origin.awaited.get(channel)?.();
      this.origin.awaited.delete(channel);
    }
  }

  /** Before something is tried again. */
  private pause(): Promise<void> {
    if (this.isClosed) return never();
    return new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE).unref());
  }

  private async latest(key: string): Promise<string> {
    const [entry] = await this.client.xRevRange(key, '+', '-', { COUNT: 1 });
    return entry?.id ?? '0-0';
  }
}

/**
 * Whether no other answer is to be expected: Redis does not know the command, or forbids it. It says which one it means; an
 * error about another one is the answer to that, and has come to the wrong place when the connection broke.
 */
function isFinal({ message }: ErrorReply, [command = '']: readonly (string | Buffer)[]): boolean {
  if (!/^(NOPERM|ERR unknown (sub)?command)\b/.test(message)) return false;
  return message.toLowerCase().includes(String(command).toLowerCase());
}

/** Milliseconds between a command that failed and the next try. */
const RETRY_PAUSE = 200;

function handled<T>(promise: Promise<T>): Promise<T> {
  // whoever waits for it hears of the failure; if nobody does, there is nobody to tell
  promise.catch(() => undefined);
  return promise;
}

/** For loops that have nothing to wait for any more: they are forgotten with their promise. */
function never(): Promise<never> {
  return new Promise(() => undefined);
}
