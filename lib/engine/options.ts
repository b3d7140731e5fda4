import type { IncomingMessage } from 'node:http';
import type { SerializeOptions } from 'cookie';
import type { CorsOptions, CorsOptionsDelegate } from 'cors';
import type { PerMessageDeflateOptions } from 'ws';
import { InvalidOptionError } from './errors.js';
import { checkFlashPolicy, type FlashPolicyOptions } from './flash-policy.js';
import type { RawData } from './protocol/packet.js';
import { DEFAULT_TRANSPORTS, TRANSPORT_KINDS, type TransportName } from './transports/registry.js';

/** An origin as browsers send it (`https://app.example`), a pattern for some, or a test. */
export type OriginRule = string | RegExp | ((origin: string, request: IncomingMessage) => boolean | Promise<boolean>);

/**
 * Bounds on what clients can make the server hold. Whatever exceeds one gets a defined answer and a log line.
 * See `docs/bad-input.md` for the answers.
 */
export interface LimitOptions {
  /**
   * Bytes that may wait for one slow client when more is to be sent; beyond, its session ends with "transport error".
   * Text is counted in UTF-16 code units. Default 64 MiB: far above what a live client leaves waiting, far below memory.
   */
  maxBufferedBytes?: number;
  /**
   * Bytes of POST bodies being received, over all sessions; beyond, 503. Default 256 MiB: 268 bodies of the largest size at
   * once. They take up to twice as much memory.
   */
  maxPendingUpstreamBytes?: number;
  /**
   * Bytes that a streaming transport keeps until the client confirms them; at that mark the stream pauses, and the
   * heartbeat ends the session if nothing is confirmed. Default 1 MiB; one message of any size passes. It pauses at 16,384
   * frames as well, however small they are.
   */
  maxUnacknowledgedBytes?: number;
  /** Fragments of one WebSocket message; beyond, the connection ends with 1008. Default 16,384, as in ws. */
  maxFragments?: number;
  /** Received chunks of one WebSocket message that wait for the rest; beyond, 1008. Default 65,536. */
  maxBufferedChunks?: number;
  /** Bytes of the header lines of one request; beyond, 431. Default unlimited: the HTTP server has a limit of its own. */
  maxHeaderBytes?: number;
  /** Sessions of one engine; beyond, 503. Default unlimited: it is a question of the machine. */
  maxSessions?: number;
  /**
   * Sessions of one client address, or IPv6 network (/64); beyond, 503. Needs `trustProxy` to be stated. Default unlimited.
   */
  maxSessionsPerAddress?: number;
  /**
   * Handshakes a second from one client address, or IPv6 network (/64); beyond, 429. Needs `trustProxy` to be stated.
   * Default unlimited.
   */
  maxHandshakesPerSecond?: number;
}

/** Options of an engine. Names and defaults are Engine.IO's where the option exists there. Times in milliseconds. */
export interface EngineOptions {
  /** How long to wait for a pong before the session is considered dead. Default 20,000. */
  pingTimeout?: number;
  /** How long after a pong the next ping is sent. Default 25,000. */
  pingInterval?: number;
  /** How long a transport upgrade may take. Default 10,000. */
  upgradeTimeout?: number;
  /** Bytes of one message (WebSocket) or one request body (HTTP). Default 1,000,000. */
  maxHttpBufferSize?: number;
  /** Decides on a handshake: call back with an error message or null, and whether to go on. */
  allowRequest?: (
    request: IncomingMessage,
    callback: (error: string | null | undefined, success: boolean) => void,
  ) => void;
  /**
   * Transports that are enabled. Default: websocket, eventsource and polling. `jsonp` and `htmlfile` are embedded by pages,
   * where no CORS applies: a page of another origin has to be named in `origins` or `cors.origin`.
   */
  transports?: readonly TransportName[];
  /** Whether a session may change its transport. Default true. */
  allowUpgrades?: boolean;
  /**
   * Whether WebSocket clients from before RFC 6455 may connect: those of draft-hixie-76, as the Flash file of socket.io 0.9.
   * Text only, messages up to 262,144 bytes, and an Origin is required. Default false: its frames are not masked.
   */
  drafts?: boolean;
  /**
   * Who gets a policy file by which a Flash player lets a movie open a connection to this port. Asked for, and answered, only
   * where `transports` has `flashsocket`; false: never. Default: movies of the hosts that `origins` and `cors.origin` name
   * as texts, and of the address that the player connects to. A movie that is let in may send as any Origin it likes.
   */
  flashPolicy?: FlashPolicyOptions | false;
  /** WebSocket compression (RFC 7692), parameters of `ws`. Default false. */
  perMessageDeflate?: boolean | PerMessageDeflateOptions;
  /** Compression of HTTP answers of at least `threshold` bytes (1,024), zlib parameters; false turns it off. */
  httpCompression?: boolean | { threshold?: number; [zlibOption: string]: unknown };
  /** WebSocket server class with the interface of `ws`'s. Default `ws`'s own, which is the fast one here. */
  wsEngine?: unknown;
  /** A message that follows the handshake packet at once. */
  initialPacket?: RawData;
  /** Sends the session id in a cookie with the handshake of an HTTP transport (for sticky balancers). Default false. */
  cookie?: boolean | (SerializeOptions & { name?: string });
  /** Options of the `cors` package, for the answers of HTTP transports. Default: no CORS headers. */
  cors?: CorsOptions | CorsOptionsDelegate | false;
  /** Whether Socket.IO 1.x and 2.x clients (protocol revision 3) may connect. Default false. */
  allowEIO3?: boolean;
  /**
   * Who may connect from a browser. Unset: requests without an Origin (unless Sec-Fetch-Site says that another site embeds
   * them), same-origin ones (by Sec-Fetch-Site), those that match `cors.origin`, those that name this host, and of the others
   * those without cookies. Set: of the others only those listed here. Checked on every transport, upgrades included.
   */
  origins?: OriginRule | readonly OriginRule[];
  /**
   * Whether `X-Forwarded-*` headers are believed: true, the number of proxies, or their addresses, as in Express.
   * Off when unset. Stating it (also `false`) is what allows limits per address: behind a balancer that is not stated
   * all clients would share one.
   */
  trustProxy?: boolean | number | string | readonly string[];
  /**
   * Bytes after which a streaming response is ended and the client asks for the next one. Default 4 MiB: bounds what
   * proxies and virus scanners keep of it.
   */
  recycleBytes?: number;
  /** Milliseconds after which it is. Default 300,000: below what most proxies allow a response to take. */
  recycleInterval?: number;
  /** Bounds on what clients can make the server hold. */
  limits?: LimitOptions;
  /** Where a line goes when a limit was exceeded or a request refused. Default: Node's debug log, section `nestwire`. */
  logger?: (message: string) => void;
}

/** Where and how an engine is attached to an HTTP server. */
export interface AttachOptions {
  /** Path to take over. Default `/engine.io`. */
  path?: string;
  /** Whether upgrade requests that nobody answered are ended. Default true. */
  destroyUpgrade?: boolean;
  /** Milliseconds after which they are. Default 1,000. */
  destroyUpgradeTimeout?: number;
  /** Whether the path ends with a slash. Default true. */
  addTrailingSlash?: boolean;
}

/** Options with all defaults in place. */
export interface ResolvedOptions extends Omit<
  Required<EngineOptions>,
  'httpCompression' | 'limits' | 'cookie' | 'flashPolicy'
> {
  readonly flashPolicy: FlashPolicyOptions | false | undefined;
  readonly httpCompression: false | { readonly threshold: number; readonly [zlibOption: string]: unknown };
  readonly perMessageDeflate: false | PerMessageDeflateOptions;
  readonly cookie: false | (SerializeOptions & { name: string });
  readonly limits: Readonly<Required<LimitOptions>>;
}

/** Defaults of the limits. */
export const DEFAULT_LIMITS: Readonly<Required<LimitOptions>> = {
  maxBufferedBytes: 64 * 1024 * 1024,
  maxPendingUpstreamBytes: 256 * 1024 * 1024,
  maxUnacknowledgedBytes: 1024 * 1024,
  maxFragments: 16 * 1024,
  maxBufferedChunks: 64 * 1024,
  maxHeaderBytes: Infinity,
  maxSessions: Infinity,
  maxSessionsPerAddress: Infinity,
  maxHandshakesPerSecond: Infinity,
};

/** Defaults of the engine. */
export const DEFAULT_OPTIONS = {
  pingTimeout: 20_000,
  pingInterval: 25_000,
  upgradeTimeout: 10_000,
  maxHttpBufferSize: 1e6,
  allowRequest: undefined,
  transports: DEFAULT_TRANSPORTS,
  allowUpgrades: true,
  perMessageDeflate: false,
  httpCompression: { threshold: 1024 },
  wsEngine: undefined,
  initialPacket: undefined,
  cookie: false,
  cors: false,
  allowEIO3: false,
  drafts: false,
  flashPolicy: undefined,
  origins: undefined,
  trustProxy: undefined,
  recycleBytes: 4 * 1024 * 1024,
  recycleInterval: 300_000,
  limits: DEFAULT_LIMITS,
  logger: undefined,
} as const;

/** Defaults of attaching. */
export const DEFAULT_ATTACH_OPTIONS = {
  path: '/engine.io',
  destroyUpgrade: true,
  destroyUpgradeTimeout: 1000,
  addTrailingSlash: true,
} as const satisfies Required<AttachOptions>;

const COOKIE_DEFAULTS = { name: 'io', path: '/', httpOnly: true, sameSite: 'lax' } as const;

/** Milliseconds options whose zero would mean "at once", which no session survives. */
const POSITIVE_NUMBERS = [
  'pingTimeout',
  'pingInterval',
  'upgradeTimeout',
  'maxHttpBufferSize',
  'recycleBytes',
  'recycleInterval',
] as const;

/** Below, a stream would wait for a confirmation that the client need not send yet. */
const MIN_UNACKNOWLEDGED_BYTES = 128 * 1024;

/** The longest time a Node timer can wait. */
const MAX_TIMER = 2 ** 31 - 1;

/**
 * Puts the defaults in place and refuses what cannot work. Unknown options pass: socket.io hands its own along.
 *
 * @throws InvalidOptionError naming the option.
 */
export function resolveOptions(options: EngineOptions): ResolvedOptions {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value != null)) as EngineOptions;
  for (const name of POSITIVE_NUMBERS) {
    const value = given[name];
    if (value !== undefined && !(typeof value === 'number' && value > 0)) {
      throw new InvalidOptionError(name, `must be a positive number, not ${String(value)}`);
    }
    if (name !== 'maxHttpBufferSize' && name !== 'recycleBytes' && value !== undefined && value > MAX_TIMER) {
      throw new InvalidOptionError(name, `must be at most ${MAX_TIMER} ms, the longest a timer can wait`);
    }
  }
  checkFlashPolicy(given.flashPolicy);
  return {
    ...DEFAULT_OPTIONS,
    ...given,
    // '' and 0 are no CORS options either; the policy must not take them for "everybody"
    cors: given.cors || false,
    transports: resolveTransports(given.transports ?? DEFAULT_TRANSPORTS),
    perMessageDeflate: resolvePerMessageDeflate(given.perMessageDeflate),
    httpCompression: resolveHttpCompression(given.httpCompression),
    cookie: resolveCookie(given.cookie),
    limits: resolveLimits(given),
  } as ResolvedOptions;
}

function resolveTransports(names: readonly string[]): readonly TransportName[] {
  if (!Array.isArray(names) || names.length === 0) {
    throw new InvalidOptionError('transports', 'must be a list with at least one transport');
  }
  for (const name of names) {
    if (!TRANSPORT_KINDS.has(name)) {
      const known = [...TRANSPORT_KINDS.keys()].join(', ');
      throw new InvalidOptionError(
        'transports',
        `names "${String(name)}", which this version does not have (it has ${known})`,
      );
    }
  }
  return names as readonly TransportName[];
}

function resolvePerMessageDeflate(option: EngineOptions['perMessageDeflate']): false | PerMessageDeflateOptions {
  if (!option) return false;
  return { threshold: 1024, ...(option === true ? {} : option) };
}

function resolveHttpCompression(option: EngineOptions['httpCompression']): ResolvedOptions['httpCompression'] {
  if (option === false) return false;
  return { ...DEFAULT_OPTIONS.httpCompression, ...(typeof option === 'object' ? option : {}) };
}

function resolveCookie(option: EngineOptions['cookie']): ResolvedOptions['cookie'] {
  if (!option) return false;
  return { ...COOKIE_DEFAULTS, ...(option === true ? {} : option) };
}

function resolveLimits({ limits = {}, trustProxy }: EngineOptions): Readonly<Required<LimitOptions>> {
  for (const [name, value] of Object.entries(limits)) {
    if (!(name in DEFAULT_LIMITS)) throw new InvalidOptionError(`limits.${name}`, 'does not exist');
    if (value !== undefined && !(typeof value === 'number' && value > 0)) {
      throw new InvalidOptionError(`limits.${name}`, `must be a positive number, not ${String(value)}`);
    }
  }
  const { maxUnacknowledgedBytes } = limits;
  if (maxUnacknowledgedBytes !== undefined && maxUnacknowledgedBytes < MIN_UNACKNOWLEDGED_BYTES) {
    throw new InvalidOptionError(
      'limits.maxUnacknowledgedBytes',
      `must be at least ${MIN_UNACKNOWLEDGED_BYTES}: clients may receive 65536 bytes before they confirm`,
    );
  }
  for (const name of ['maxSessionsPerAddress', 'maxHandshakesPerSecond'] as const) {
    if (limits[name] !== undefined && trustProxy === undefined) {
      throw new InvalidOptionError(
        `limits.${name}`,
        'counts by client address and needs "trustProxy": false when clients connect directly, or the proxies to believe',
      );
    }
  }
  const given = Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined));
  return { ...DEFAULT_LIMITS, ...given };
}
