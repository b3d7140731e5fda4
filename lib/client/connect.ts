import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client';
import type { Attempt } from './fallback/course.js';
import { transports, type TransportsOptions } from './transports.js';

/** Options of {@link connect}: those of socket.io-client, with our names in `transports`. */
export type ConnectOptions = Partial<Omit<ManagerOptions & SocketOptions, 'transports'>> &
  Pick<TransportsOptions, 'remember' | 'onFallback' | 'transports'>;

/** What `socket.io.engine` has besides what engine.io-client gives it. Another engine is made for each reconnection. */
export interface TriedEngine {
  /** The transports that were tried for this connection, in order of time, up to this moment. */
  readonly attempts: readonly Attempt[];
  /** A transport was passed over. */
  on(event: 'fallback', listener: (attempt: Attempt) => void): unknown;
}

/**
 * Connects to a server: `io` of socket.io-client with the {@link transports} that get through here.
 *
 * ```ts
 * const socket = connect('https://example.com/board');
 * socket.on('connect', () => console.log(socket.io.engine.transport.name));
 * ```
 *
 * @param url as for `io`; a path alone is a namespace of the page's own server.
 */
export function connect(url?: string, options?: ConnectOptions): Socket;
export function connect(options?: ConnectOptions): Socket;
export function connect(url?: string | ConnectOptions, options: ConnectOptions = {}): Socket {
  if (typeof url === 'object') return connect(undefined as never, url);
  const { remember, onFallback, transports: names, ...rest } = options;
  const all = { ...rest, transports: transports({ transports: names, url, remember, onFallback }) };
  // it takes none as well
  return io(url!, all);
}
