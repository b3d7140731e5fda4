import { transports as stock } from 'engine.io-client';
import { EventSourceTransport } from './eventsource.js';
import type { Channel, OpenChannel } from './fallback/census.js';
import { guard, type TransportClass } from './fallback/guard.js';
import { Memory, type VerdictStorage } from './fallback/memory.js';
import { PollingTransport } from './fallback/polling.js';
import type { Attempt, Course } from './fallback/course.js';
import { MultipartTransport } from './multipart.js';

/** Names of the transports of this client. */
export type ClientTransportName = 'websocket' | 'eventsource' | 'multipart' | 'polling';

/** Options of {@link transports}. */
export interface TransportsOptions {
  /**
   * The transports to use, best first. Default: `['websocket', 'eventsource', 'polling']`, as far as this environment has
   * what they need.
   */
  transports?: readonly ClientTransportName[];
  /** Address of the server, for which is remembered what gets through. Default: the page's own. */
  url?: string;
  /** Whether to remember that beyond this page, in sessionStorage. Default true. */
  remember?: boolean;
  /** Called with every transport that was tried and passed over, in this connection and those after it. */
  onFallback?: (attempt: Attempt) => void;
}

const CLASSES = new Map<ClientTransportName, TransportClass>([
  ['websocket', stock.websocket as TransportClass],
  ['eventsource', EventSourceTransport],
  ['multipart', MultipartTransport],
  ['polling', PollingTransport],
]);

const DEFAULT: readonly ClientTransportName[] = ['websocket', 'eventsource', 'polling'];

/** The parts of a browser's globals that are used. */
interface BrowserGlobals {
  location?: { href: string };
  BroadcastChannel?: new (name: string) => Channel;
  document?: object;
  sessionStorage?: VerdictStorage;
  WebSocket?: unknown;
  EventSource?: unknown;
  fetch?: unknown;
  ReadableStream?: unknown;
}

const globals = globalThis as unknown as BrowserGlobals;

/**
 * The transports for `io()`, best first, with a fallback that notices: a transport from which nothing comes in the time that
 * round trips take here is passed over, and so are those that are refused or cut. What is found out is remembered, and
 * forgotten after a minute or more, when the better transport is tried again in the background.
 *
 * The list is for one server. It changes its order as it learns, so pass it on as it is.
 *
 * ```ts
 * const socket = io(url, { transports: transports({ url }) });
 * socket.io.engine.on('fallback', (attempt) => console.log(attempt.transport, attempt.reason));
 * socket.io.engine.attempts; // all that were tried for this connection
 * ```
 *
 * @throws TypeError when a name is not that of a transport, or none is left.
 */
export function transports(options: TransportsOptions = {}): any[] {
  const names = options.transports ?? DEFAULT;
  for (const name of names) {
    if (!CLASSES.has(name))
      throw new TypeError(`there is no transport "${name}"; there are ${[...CLASSES.keys()].join(', ')}`);
  }
  const preference = names.filter(isAvailable);
  if (preference.length === 0) throw new TypeError('none of these transports is available here');
  const storage = options.remember === false ? null : findStorage();
  const memory = new Memory(storage, `nestwire:${serverOf(options.url)}`);
  const list: TransportClass[] = [];
  const guarded = new Map<string, TransportClass>();
  const course: Course = {
    memory,
    preference,
    classOf: (name) => guarded.get(name),
    refresh: () => list.splice(0, list.length, ...memory.order(preference).map((name) => guarded.get(name)!)),
    openChannel,
    onFallback: options.onFallback,
  };
  for (const name of preference) guarded.set(name, guard(CLASSES.get(name)!, course));
  course.refresh();
  return list;
}

function isAvailable(name: ClientTransportName): boolean {
  const canStream = typeof globals.fetch === 'function' && globals.ReadableStream !== undefined;
  switch (name) {
    case 'websocket':
      // outside of pages, engine.io-client brings its own
      return globals.document === undefined || globals.WebSocket !== undefined;
    case 'eventsource':
      return typeof globals.fetch === 'function' && (globals.EventSource !== undefined || canStream);
    case 'multipart':
      return canStream;
    default:
      return true;
  }
}

function findStorage(): VerdictStorage | null {
  try {
    return globals.sessionStorage ?? null;
  } catch {
    // forbidden to this page
    return null;
  }
}

const openChannel: OpenChannel = (name) => {
  const { location, BroadcastChannel } = globals;
  // Node has channels as well: they would keep its process alive, and its connections have no such limit
  if (location === undefined || BroadcastChannel === undefined) return null;
  try {
    return new BroadcastChannel(name);
  } catch {
    // forbidden to this page
    return null;
  }
};

function serverOf(url: string | undefined): string {
  try {
    const { host, pathname } = new URL(url ?? '', globals.location?.href);
    return url === undefined ? host : host + pathname;
  } catch {
    return url ?? '';
  }
}
