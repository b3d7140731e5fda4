import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { Server } from 'socket.io';
import type { Emitter } from '../../emitter/emitter.js';
import { EmitterHost } from '../../emitter/emitter-host.js';
import type { ResolvedAddress } from './emitter-tokens.js';

/** What an adapter calls the server of a port and path; without a path, that of the default path. */
export type ServerKey = (port: number, path: string | undefined) => string;

/** What gives the emitters of an application. A process without gateways may have another one: see {@link EmittersModule}. */
export abstract class EmitterSource {
  /** An emitter to all clients of a namespace. */
  abstract of(address: ResolvedAddress): Emitter;
}

/** A server of an application, and what is known of it. */
interface Served {
  readonly address: ResolvedAddress;
  readonly host: EmitterHost;
  /** Whether it was said that nobody is reached. */
  isReported: boolean;
}

/** The emitters of one application that serves gateways: a host for each server, before it is there. */
@Injectable()
export class ApplicationEmitters extends EmitterSource implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('Emitter');
  private readonly served = new Map<string, Served>();
  private readonly servers = new Map<string, Server>();
  /** Undefined until an adapter has been made with the application. */
  private serverKey: ServerKey | undefined;
  private hasStarted = false;

  of(address: ResolvedAddress): Emitter {
    const key = `${address.port} ${address.path ?? ''}`;
    let served = this.served.get(key);
    if (served === undefined) {
      const host = new EmitterHost({
        warn: (text) => this.logger.warn(text),
        error: (error) => this.logger.error(error),
        unserved: () => this.unserved(key),
        detached: (namespace) => this.logger.warn(notServed(namespace)),
      });
      this.served.set(key, (served = { address, host, isReported: false }));
      this.connect(served);
    }
    return served.host.emitter(address.namespace);
  }

  /** An adapter has been made. @param serverKey what it calls the server of a port and path. */
  bind(serverKey: ServerKey): void {
    this.serverKey = serverKey;
  }

  /** The adapter has made a server. */
  serve(key: string, server: Server): void {
    this.servers.set(key, server);
    for (const served of this.served.values()) this.connect(served);
  }

  /** The adapter is about to close a server. */
  close(server: Server): void {
    for (const { host } of this.served.values()) if (host.server === server) host.close();
  }

  /** Everybody's `onModuleInit` is done, and every gateway is bound. */
  onApplicationBootstrap(): void {
    this.hasStarted = true;
    for (const [key, { host }] of this.served) {
      host.start();
      if (host.isAwaited) this.unserved(key);
    }
  }

  /** Servers are closed by now; what waited for one waits no more. */
  onApplicationShutdown(): void {
    for (const { host } of this.served.values()) host.close();
  }

  private connect({ address, host }: Served): void {
    if (host.server !== null || this.serverKey === undefined) return;
    const server = this.servers.get(this.serverKey(address.port, address.path));
    if (server === undefined) return;
    host.serve(server);
    if (this.hasStarted) host.start();
  }

  /** Something is sent where there is no server: said once for each. */
  private unserved(key: string): void {
    const served = this.served.get(key)!;
    if (!this.hasStarted || served.isReported) return;
    const hasAdapter = this.serverKey !== undefined;
    // without an adapter the same is true of all
    for (const one of hasAdapter ? [served] : this.served.values()) one.isReported = true;
    this.logger.warn(hasAdapter ? noGateway(served.address) : NO_ADAPTER);
  }
}

const NO_ADAPTER =
  'Emitters are used, but reach nobody: this application has no NestwireAdapter that was made with it. Call ' +
  'app.useWebSocketAdapter(new NestwireAdapter(app)).';

function noGateway({ port, path }: ResolvedAddress): string {
  const where = `${port === 0 ? "the application's port" : `port ${port}`}, path "${path ?? 'default'}"`;
  return `An emitter is used, but reaches nobody: no gateway is served at ${where}.`;
}

function notServed(namespace: string): string {
  return (
    `No gateway serves the namespace "${namespace}": its emitter reaches clients of other nodes of a cluster, and ` +
    'nobody of this one.'
  );
}
