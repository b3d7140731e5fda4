import { EventSourceTransport, MultipartTransport } from '../client/index.js';
import { transports as stock } from 'engine.io-client';
import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';

/** Transports that a {@link TestClient} can be told to use. */
export type TestTransportName = 'websocket' | 'eventsource' | 'multipart' | 'polling';

/** Options of {@link TestClient}; besides these, those of socket.io-client. */
export interface TestClientOptions extends Partial<Omit<ManagerOptions & SocketOptions, 'transports' | 'timeout'>> {
  /** The transport to connect by, and to stay with. Default `'websocket'`. */
  transport?: TestTransportName;
  /** Milliseconds after which everything that is waited for fails. Default 5000. */
  timeout?: number;
}

/** An event that a {@link TestClient} received. */
export interface ReceivedEvent {
  readonly event: string;
  readonly args: readonly any[];
}

const CLASSES = {
  websocket: stock.websocket,
  eventsource: EventSourceTransport,
  multipart: MultipartTransport,
  polling: stock.polling,
};

/**
 * A Socket.IO client for tests: everything is a promise, and no event is missed. Events are kept in the order in which they
 * came until {@link next} takes them, so it does not matter whether a test begins to wait before or after one arrives.
 *
 * ```ts
 * const client = await TestClient.connect(`http://127.0.0.1:${port}/board`, { transport: 'eventsource' });
 * client.emit('stroke', { x: 1, y: 2 });
 * expect(await client.next('strokes')).toEqual([[{ x: 1, y: 2 }]]);
 * expect(await client.request('count')).toBe(1);
 * await client.close();
 * ```
 */
export class TestClient {
  /** Resolves with the reason when the connection ends. */
  readonly disconnected: Promise<string>;
  private readonly events: ReceivedEvent[] = [];
  private readonly waiting = new Set<() => void>();
  private reason: string | null = null;

  private constructor(
    /** The client of socket.io-client, for all else. */
    readonly socket: Socket,
    private readonly timeout: number,
  ) {
    socket.onAny((event: string, ...args: unknown[]) => {
      this.events.push({ event, args });
      for (const look of this.waiting) look();
    });
    this.disconnected = new Promise((resolve) => {
      socket.once('disconnect', (reason) => {
        this.reason = reason;
        resolve(reason);
        for (const look of this.waiting) look();
      });
    });
  }

  /**
   * Connects, to the namespace that the URL names.
   *
   * @throws Error that the server refused the connection with (its `data` is the server's), or that it took too long.
   */
  static async connect(url: string, options: TestClientOptions = {}): Promise<TestClient> {
    const { transport = 'websocket', timeout = 5000, ...rest } = options;
    const socket = io(url, {
      forceNew: true,
      reconnection: false,
      upgrade: false,
      ...rest,
      transports: [CLASSES[transport]] as never,
      autoConnect: false,
    });
    const client = new TestClient(socket, timeout);
    try {
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`not connected within ${timeout} ms`)), timeout);
        const settle = (error?: Error): void => {
          clearTimeout(timer);
          if (error === undefined) resolve();
          else reject(error);
        };
        socket.once('connect', () => settle());
        socket.once('connect_error', settle);
        socket.connect();
      });
    } catch (error) {
      socket.disconnect();
      throw error;
    }
    return client;
  }

  /** The id of the server's socket; undefined when not connected. */
  get id(): string | undefined {
    return this.socket.id;
  }

  /** The transport in use. */
  get transport(): string {
    return this.socket.io.engine.transport.name;
  }

  /** The events that came and that nobody has taken. */
  get received(): readonly ReceivedEvent[] {
    return this.events;
  }

  emit(event: string, ...args: unknown[]): this {
    this.socket.emit(event, ...args);
    return this;
  }

  /**
   * Emits and waits for the acknowledgement.
   *
   * @throws Error when none came in time.
   */
  request(event: string, ...args: unknown[]): Promise<any> {
    return this.socket.timeout(this.timeout).emitWithAck(event, ...args);
  }

  /**
   * Takes the next event, of a name or at all, and waits for it if need be. Others stay to be taken.
   *
   * @returns its arguments.
   * @throws Error when the connection ends before it comes, or it does not come in time; with what came instead.
   */
  async next(event?: string): Promise<any[]> {
    const find = (): number => this.events.findIndex((received) => event === undefined || received.event === event);
    await this.until(() => find() !== -1, `event ${event ?? ''}`.trim());
    return [...this.events.splice(find(), 1)[0]!.args];
  }

  /**
   * Takes several events of a name.
   *
   * @returns the arguments of each, in order.
   */
  async take(event: string, count: number): Promise<any[][]> {
    const taken: any[][] = [];
    while (taken.length < count) taken.push(await this.next(event));
    return taken;
  }

  /** Disconnects. Resolves when that is done. */
  async close(): Promise<void> {
    const { engine } = this.socket.io;
    const isOpen = engine !== undefined && (engine as { readyState?: string }).readyState !== 'closed';
    const closed = isOpen ? new Promise<void>((resolve) => engine.once('close', () => resolve())) : Promise.resolve();
    this.socket.disconnect();
    await closed;
  }

  private until(holds: () => boolean, what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (error?: Error): void => {
        clearTimeout(timer);
        this.waiting.delete(look);
        if (error === undefined) resolve();
        else reject(error);
      };
      const came = (): string => this.events.map(({ event }) => event).join(', ') || 'nothing';
      const look = (): void => {
        if (holds()) end();
        else if (this.reason !== null)
          end(new Error(`no ${what}: disconnected (${this.reason}); what came: ${came()}`));
      };
      const timer = setTimeout(
        () => end(new Error(`no ${what} within ${this.timeout} ms; what came: ${came()}`)),
        this.timeout,
      );
      this.waiting.add(look);
      look();
    });
  }
}
