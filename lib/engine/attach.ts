import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { ClientErrors } from './client-errors.js';
import type { FlashPolicy } from './flash-policy.js';
import { DEFAULT_ATTACH_OPTIONS, type AttachOptions } from './options.js';

type RequestListener = (request: IncomingMessage, response: ServerResponse) => void;

/** One path of an HTTP server, and who answers it. */
export interface Mount {
  readonly path: string;
  readonly destroyUpgrade: boolean;
  readonly destroyUpgradeTimeout: number;
  /** What the port answers to Flash players; null: nothing. */
  readonly flashPolicy: FlashPolicy | null;
  handleRequest(request: IncomingMessage, response: ServerResponse): void;
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** The HTTP server has closed. */
  serverClosed(): void;
}

/** The path a mount answers, from the options of attaching. */
export function mountPath(options: AttachOptions): string {
  const path = (options.path || DEFAULT_ATTACH_OPTIONS.path).replace(/\/$/, '');
  return options.addTrailingSlash === false ? path : `${path}/`;
}

/**
 * All engines on one HTTP server. Requests for their paths go to them and no further; all others go to the listeners
 * that were there before, which are put back when the last engine leaves. Other `upgrade` listeners are left alone.
 */
export class Mounts {
  private readonly mounts: Mount[] = [];
  private earlierListeners: RequestListener[];
  /** Null: nobody wants to hear of them. */
  private clientErrors: ClientErrors | null = null;

  private constructor(private readonly server: HttpServer) {
    stopRefusing.call(server);
    this.earlierListeners = server.listeners('request') as RequestListener[];
    server.removeAllListeners('request');
    server.on('request', this.onRequest);
    server.on('upgrade', this.onUpgrade);
    server.on('close', this.onClose);
  }

  /** The mounts of a server, made when it has none yet. */
  static of(server: HttpServer): Mounts {
    let mounts = mountsByServer.get(server);
    if (mounts === undefined) {
      mounts = new Mounts(server);
      mountsByServer.set(server, mounts);
    }
    return mounts;
  }

  add(mount: Mount): void {
    this.mounts.push(mount);
    if (mount.flashPolicy !== null) (this.clientErrors ??= new ClientErrors(this.server)).add(mount.flashPolicy);
  }

  /** Takes a mount away; does nothing when it is not there. */
  remove(mount: Mount): void {
    const index = this.mounts.indexOf(mount);
    if (index < 0) return;
    this.mounts.splice(index, 1);
    if (mount.flashPolicy !== null && this.clientErrors?.remove(mount.flashPolicy) === false) this.clientErrors = null;
    if (this.mounts.length === 0) this.giveBack();
  }

  private giveBack(): void {
    const { server } = this;
    mountsByServer.delete(server);
    server.off('upgrade', this.onUpgrade);
    server.off('close', this.onClose);
    // somebody may have wrapped our listener as we wrapped others; then it stays, and passes everything on
    if (!server.listeners('request').includes(this.onRequest)) return;
    const later = (server.listeners('request') as RequestListener[]).filter((listener) => listener !== this.onRequest);
    server.removeAllListeners('request');
    for (const listener of [...this.earlierListeners, ...later]) server.on('request', listener);
    if (server.listening && server.listenerCount('request') === 0) {
      // clients that still poll must get an answer: Node gives none without a listener, and the server could not close
      server.on('request', refuse);
      server.once('close', stopRefusing);
    }
  }

  private readonly onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const mount = this.find(request.url);
    if (mount !== undefined) {
      mount.handleRequest(request, response);
      return;
    }
    for (const listener of this.earlierListeners) listener.call(this.server, request, response);
  };

  private readonly onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const mount = this.find(request.url);
    if (mount !== undefined) {
      mount.handleUpgrade(request, socket, head);
      return;
    }
    // Node closes an upgrade that nobody listens for; since we listen, that is ours to do when nobody else answers
    const ending = this.mounts.filter(({ destroyUpgrade }) => destroyUpgrade);
    if (ending.length === 0) return;
    socket.on('error', ignoreError);
    const timeout = Math.min(...ending.map(({ destroyUpgradeTimeout }) => destroyUpgradeTimeout));
    setTimeout(endUnanswered, timeout, socket).unref();
  };

  private readonly onClose = (): void => {
    for (const mount of this.mounts) mount.serverClosed();
  };

  private find(url = ''): Mount | undefined {
    // the longest path wins, and the latest of equals
    let found: Mount | undefined;
    for (const mount of this.mounts) {
      if (isBelow(url, mount.path) && !(found && found.path.length > mount.path.length)) found = mount;
    }
    return found;
  }
}

/** Keyed by server, so that engines which know nothing of each other share one listener. */
const mountsByServer = new WeakMap<HttpServer, Mounts>();

/** Whether a URL is the path itself or below it; `/chatter` is not below `/chat`. */
function isBelow(url: string, path: string): boolean {
  if (!url.startsWith(path)) return false;
  if (path.endsWith('/')) return true;
  const next = url[path.length];
  return next === undefined || next === '/' || next === '?' || next === '#';
}

function stopRefusing(this: HttpServer): void {
  this.off('request', refuse);
  this.off('close', stopRefusing);
}

function refuse(this: HttpServer, _request: IncomingMessage, response: ServerResponse): void {
  // the application has a listener by now
  if (this.listenerCount('request') > 1) return;
  response.writeHead(503, { Connection: 'close' });
  response.end();
}

function endUnanswered(socket: Duplex & { bytesWritten?: number }): void {
  if (socket.writable && (socket.bytesWritten ?? 0) <= 0) socket.end();
}

function ignoreError(): void {
  // the connection of an upgrade that is not ours; whoever answers it has listeners of their own
}
