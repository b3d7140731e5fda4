import { Namespace, type Server } from 'socket.io';

/** What the typings of socket.io hold back. */
interface ServerInternals {
  readonly parentNamespacesFromRegExp: Map<RegExp, unknown>;
}

/**
 * The namespace of a name, if clients may join it already: it is there, or a pattern that the application declared would make it
 * for the first client who asks. Makes nothing that a client could not have made.
 *
 * @param name with its slash.
 */
export function declaredNamespace(server: Server, name: string): Namespace | null {
  const existing = server._nsps.get(name);
  if (existing !== undefined) return existing as Namespace;
  const patterns = (server as unknown as ServerInternals).parentNamespacesFromRegExp.keys();
  for (const pattern of patterns) if (pattern.test(name)) return server.of(name);
  return null;
}

/** Whether socket.io takes a namespace away when its last client leaves, as it does with those that were made from a pattern. */
export function isFleeting(server: Server): boolean {
  return (
    (server as unknown as { readonly opts: { cleanupEmptyChildNamespaces?: boolean } }).opts
      .cleanupEmptyChildNamespaces === true
  );
}

/**
 * A namespace that nobody can join: it is not among those of its server, so that clients are told `Invalid namespace`, as if it
 * were not there. Its adapter reaches the other nodes of a cluster, which may serve a namespace of that name.
 *
 * @param name with its slash.
 */
export function detachedNamespace(server: Server, name: string): Namespace {
  return new Namespace(server, name);
}

/**
 * Closes a detached namespace whose name the server has given to one of its own. Takes the close of the adapter's class, and not
 * what a factory may have put in its place on the object: that would strike the name off the factory's list, where the other
 * stands by now.
 */
export function closeReplaced({ adapter }: Namespace): void {
  const { close } = Object.getPrototypeOf(adapter) as Partial<Namespace['adapter']>;
  settle(close?.call(adapter));
}

/** Closes a detached namespace, with its server. */
export function closeDetached({ adapter }: Namespace): void {
  settle(adapter.close());
}

function settle(closed: Promise<void> | void): void {
  void Promise.resolve(closed).catch(() => {
    // the connection to the other nodes has gone before: nothing is left to be closed
  });
}
