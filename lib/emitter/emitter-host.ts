import { Subscription, type TeardownLogic } from 'rxjs';
import type { Namespace, Server } from 'socket.io';
import {
  closeDetached,
  closeReplaced,
  declaredNamespace,
  detachedNamespace,
  isFleeting,
} from '../socket-io/namespaces.js';
import { Emitter } from './emitter.js';
import type { EmitterTarget } from './emitter-target.js';

/** Who hears of what a host notices. */
export interface EmitterHostListener {
  warn(text: string): void;
  error(error: unknown): void;
  /** Something is sent, and there is no server; each time. */
  unserved?(): void;
  /** A namespace is reached on other nodes alone, since this one does not serve it; once for each. */
  detached?(namespace: string): void;
}

/**
 * Gives the emitters of one socket.io server, before it is there and after it has gone. In a process that serves nobody it is a
 * server without an HTTP server, whose adapter reaches those that do:
 *
 * ```ts
 * const host = new EmitterHost(logger);
 * host.serve(new Server({ adapter }));
 * host.start();
 * host.target('/board').find(); // its adapter begins to look for the other nodes, before something is sent
 * host.emitter('/board').emit('strokes', strokes);
 * ```
 *
 * An emitter opens no namespace to clients: one that the server does not have, and that no pattern of it allows, is made apart from it.
 */
export class EmitterHost {
  /** Null until it is there, and after {@link close}. */
  server: Server | null = null;
  isStarted = false;
  isClosed = false;
  /** Everything that runs while the server is open, and what waits for it. */
  readonly open = new Subscription();
  private readonly targets = new Map<string, NamespaceTarget>();
  private waiting: (() => void)[] = [];

  constructor(readonly listener: EmitterHostListener) {}

  /** Whether something waits for the start. */
  get isAwaited(): boolean {
    return this.waiting.length > 0;
  }

  /** An emitter to all clients of a namespace. @param namespace its name, with its slash. */
  emitter(namespace: string): Emitter {
    return new Emitter(this.target(namespace));
  }

  /** What all emitters of a namespace share. @param namespace its name, with its slash. */
  target(namespace: string): EmitterTarget {
    let target = this.targets.get(namespace);
    if (target === undefined) this.targets.set(namespace, (target = new NamespaceTarget(this, namespace)));
    return target;
  }

  /** The server is there: from now on the namespaces that it has are reached. */
  serve(server: Server): void {
    if (this.isClosed) return;
    this.server = server;
    server.on('new_namespace', this.appeared);
  }

  /** All that declares namespaces is done, guards and handlers stand: from now on all namespaces are reached, and pipes run. */
  start(): void {
    if (this.isStarted || this.isClosed || this.server === null) return;
    this.isStarted = true;
    const { waiting } = this;
    this.waiting = [];
    for (const run of waiting) run();
  }

  /** The server is about to be closed: pipes end, requests that wait fail, and nobody is reached any more. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.waiting = [];
    this.open.unsubscribe();
    this.server?.off('new_namespace', this.appeared);
    this.server = null;
    for (const target of this.targets.values()) target.close();
  }

  /** @internal */
  whileOpen(run: (open: Subscription) => TeardownLogic): Subscription {
    const open = new Subscription();
    const begin = (): void => {
      if (!open.closed) open.add(run(open));
    };
    this.open.add(open);
    if (open.closed || this.isStarted) begin();
    else {
      this.waiting.push(begin);
      open.add(() => {
        this.waiting = this.waiting.filter((one) => one !== begin);
      });
    }
    return open;
  }

  /** Takes the place of one that was made apart. */
  private readonly appeared = (namespace: Namespace): void => {
    this.targets.get(namespace.name)?.appeared();
  };
}

/** One namespace of a host. */
class NamespaceTarget implements EmitterTarget {
  namespace: Namespace | null;
  private readonly host: EmitterHost;
  private readonly name: string;
  private detached: Namespace | null;

  constructor(host: EmitterHost, name: string) {
    this.namespace = null;
    this.host = host;
    this.name = name;
    this.detached = null;
  }

  find(): Namespace | null {
    const { server, isStarted, isClosed } = this.host;
    if (server === null) {
      if (!isClosed) this.host.listener.unserved?.();
      return null;
    }
    // a namespace that is made from a pattern takes over what stands on the pattern at that time, which may be no guards yet
    if (!isStarted) return (server._nsps.get(this.name) as Namespace | undefined) ?? null;
    const declared = declaredNamespace(server, this.name);
    // one that comes and goes with its clients has to be asked for each time
    if (declared !== null && isFleeting(server)) return declared;
    return (this.namespace = declared ?? this.detach(server));
  }

  whileOpen(run: (open: Subscription) => TeardownLogic): Subscription {
    return this.host.whileOpen(run);
  }

  failed(error: unknown): void {
    this.host.listener.error(error);
  }

  warn(text: string): void {
    this.host.listener.warn(`emitter of ${this.name}: ${text}`);
  }

  /** The server has a namespace of this name, perhaps once more. */
  appeared(): void {
    this.namespace = null;
    if (this.detached !== null) closeReplaced(this.detached);
    this.detached = null;
  }

  close(): void {
    this.namespace = null;
    if (this.detached !== null) closeDetached(this.detached);
    this.detached = null;
  }

  private detach(server: Server): Namespace {
    this.host.listener.detached?.(this.name);
    return (this.detached = detachedNamespace(server, this.name));
  }
}
