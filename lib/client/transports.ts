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

/** A transport of this client: its name, or the class of a legacy transport. */
export type ClientTransport = ClientTransportName | TransportClass;

/** Options of {@link transports}. */
export interface TransportsOptions {
  /**
   * The transports to use, best first. Default: `['websocket', 'eventsource', 'polling']`, as far as this environment has
   * what they need. Legacy transports are given as their classes, `HtmlFileTransport` for example; JSONP comes last wherever
   * it stands.
   */
  transports?: readonly ClientTransport[] | undefined;
  /** Address of the server, for which is remembered what gets through. Default: the page's own. */
  url?: string | undefined;
  /** Whether to remember that beyond this page and share it with other tabs, in localStorage. Default true. */
  remember?: boolean | undefined;
  /** Called with every transport that was tried and passed over, in this connection and those after it. */
  onFallback?: ((attempt: Attempt) => void) | undefined;
}

const CLASSES = new Map<string, TransportClass>([
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
  localStorage?: VerdictStorage;
  WebSocket?: unknown;
  EventSource?: unknown;
  fetch?: unknown;
  ReadableStream?: unknown;
}

const globals = globalThis as unknown as BrowserGlobals;

/**
 * The transports for `io()`, best first, with a fallback that notices: a transport from which nothing comes in the time that
 * round trips take here is passed over, and so are those that are refused or cut. What is found out is remembered for all
 * tabs of the origin, and forgotten after a minute or more (ten for a WebSocket that fell silent), when the better transport
 * is tried again in the background.
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
  const classes = new Map<string, TransportClass>();
  for (const given of options.transports ?? DEFAULT) {
    const found = typeof given === 'string' ? CLASSES.get(given) : given;
    if (found === undefined) throw new TypeError(`"${given}" is none of ${[...CLASSES.keys()]}: pass its class`);
    const { name } = found.prototype;
    if (isAvailable(name)) classes.set(name, found);
  }
  const last = (name: string): number => classes.get(name)!.prototype.last ?? 0;
  const preference = [...classes.keys()].sort((a, b) => last(a) - last(b));
  if (preference.length === 0) throw new TypeError('none of these transports is available');
  const { url, remember } = options;
  // Node's is in a file, if at all
  const storage = orNull(() => (remember === false || !globals.location ? null : globals.localStorage)) ?? null;
  // the same for all namespaces, of which what is stored tells nothing
  const server = orNull(() => new URL(url ?? '', globals.location?.href).host) ?? url;
  const memory = new Memory(storage, `nestwire:${server}`);
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
  for (const name of preference) guarded.set(name, guard(classes.get(name)!, course));
  course.refresh();
  return list;
}

function isAvailable(name: string): boolean {
  const { document, WebSocket, EventSource, fetch, ReadableStream } = globals;
  // outside of pages, engine.io-client brings its own
  if (name === 'websocket') return document === undefined || WebSocket !== undefined;
  // the classes that are not known here need a page
  if (!CLASSES.has(name)) return document !== undefined;
  return name === 'polling' || Boolean(fetch && (ReadableStream ?? (name === 'eventsource' && EventSource)));
}

/** What something gives, or null where it is forbidden to this page or makes no sense. */
function orNull<T>(find: () => T): T | null {
  try {
    return find();
  } catch {
    return null;
  }
}

const openChannel: OpenChannel = (name) => {
  const { location, BroadcastChannel } = globals;
  // Node has channels as well: they would keep its process alive, and its connections have no such limit
  return location && BroadcastChannel ? orNull(() => new BroadcastChannel(name)) : null;
};
