import { normalizePath } from '../../socket-io/bind-socket-io.js';

/** Which clients an emitter reaches: those of a namespace of one of the application's servers. */
export interface EmitterAddress {
  /** Name of the namespace, with or without its slash; of a pattern, one name that fits. Default the main one. */
  readonly namespace?: string;
  /** Port of the gateway, as its decorator names it. Default 0: the application's own HTTP server. */
  readonly port?: number;
  /** Path of the gateway, as its decorator names it. Default that of `NestwireModule`, or `/socket.io`. */
  readonly path?: string;
}

/** The same with everything filled in, but for the path of the module, which is known later. */
export interface ResolvedAddress {
  readonly namespace: string;
  readonly port: number;
  readonly path: string | undefined;
}

/**
 * What has been asked for, by token. Decorators run before there is an application, so this belongs to none: it holds names only, and
 * every application makes emitters of its own for them. The one thing that modules of this package keep.
 */
const REQUESTED = new Map<string, ResolvedAddress>();

/**
 * The token of an emitter, for `inject` of a factory, for `app.get()`, and to put another one in its place in a test.
 *
 * ```ts
 * { provide: getEmitterToken('board'), useValue: fakeEmitter<BoardEvents>() }
 * ```
 *
 * To be called before the application is made, where nothing else asks for this emitter.
 *
 * @param address a namespace of the application's own server, or of another one. Default the main namespace.
 * @throws TypeError for a namespace that is no text, or that has a comma in it, which ends a name on the wire; for a port that is none.
 */
export function getEmitterToken(address: string | EmitterAddress = {}): string {
  const { namespace = '/', port = 0, path } = typeof address === 'string' ? { namespace: address } : address;
  if (typeof namespace !== 'string' || address instanceof RegExp)
    throw new TypeError('an emitter is for one namespace: name one that the pattern allows, and not the pattern');
  if (!Number.isInteger(port) || port < 0) throw new TypeError(`a port is a number: ${String(port)}`);
  if (namespace.includes(',')) throw new TypeError(`a namespace cannot have a comma in its name: "${namespace}"`);
  const resolved: ResolvedAddress = {
    namespace: namespace.startsWith('/') ? namespace : `/${namespace}`,
    port,
    path: path === undefined ? undefined : normalizePath(path),
  };
  const server = port === 0 && path === undefined ? '' : ` of port ${port}, path ${resolved.path ?? 'default'}`;
  const token = `Emitter(${resolved.namespace}${server})`;
  REQUESTED.set(token, resolved);
  return token;
}

/** All that has been asked for until now. */
export function requestedEmitters(): ReadonlyMap<string, ResolvedAddress> {
  return REQUESTED;
}
