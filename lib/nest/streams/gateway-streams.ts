import type { ExternalContextCreator } from '@nestjs/core';
import type { Namespace, Server, Socket } from 'socket.io';
import { Deadlines, type DeadlineQueue } from '../../engine/deadlines.js';
import type { Gateway } from '../gateways.js';
import type { Admission } from './admission.js';
import type { ClientQueue } from './client-queue.js';
import { quickPipeline } from './quick-pipeline.js';
import { argumentsOf } from './stream-arguments.js';
import { prepareGate, refuseHalfStreams, streamDefinitions } from './stream-definition.js';
import { streamSettings, type StreamDefaults } from './stream-options.js';
import { StreamRoute, type StreamHost, type StreamStats } from './stream-route.js';

/** Milliseconds that the shutdown waits for messages which still pass guards and pipes. */
const CLOSE_DEADLINE = 10_000;

/** What the streams of all gateways of an application share. */
export interface StreamsHost extends StreamHost {
  readonly deadlines: Deadlines;
  readonly defaults: StreamDefaults;
  readonly contexts: ExternalContextCreator;
}

/** The stream methods of one gateway, and the clients that have streams of them. */
export class GatewayStreams {
  /** By the place of the gate among the gateway's handlers; null for an ordinary handler. */
  readonly routes: readonly (StreamRoute | null)[];
  private readonly clients = new Set<Socket>();
  /** Clients that have gone while messages of theirs were under way. */
  private readonly leaving = new Set<Socket>();
  private settled: (() => void) | null = null;

  private constructor(routes: (clients: ReadonlySet<Socket>) => readonly (StreamRoute | null)[]) {
    this.routes = routes(this.clients);
  }

  /**
   * The streams of a gateway; null when it has none. To be called before Nest makes its handlers.
   *
   * @throws Error for a gateway that is made anew for each message: there would be nobody to have the stream.
   * @throws TypeError for half a stream.
   */
  static of(gateway: Gateway, host: StreamsHost): GatewayStreams | null {
    const prototype = gateway.metatype.prototype as object;
    refuseHalfStreams(prototype);
    const definitions = streamDefinitions(prototype);
    if (definitions.length === 0) return null;
    if (!gateway.isStatic) {
      const { name } = definitions.find((definition) => definition !== null)!;
      throw new Error(
        `${name} is a stream, and ${gateway.metatype.name} is request-scoped: Nest makes it anew for each message, and a ` +
          `stream needs one that stays. Give the gateway, what is injected into it, and its guards, pipes, interceptors and ` +
          `filters the default scope.`,
      );
    }
    return new GatewayStreams((clients) =>
      definitions.map((definition) => {
        if (definition === null) return null;
        prepareGate(definition);
        const settings = streamSettings(definition.options, host.defaults);
        const expiring: DeadlineQueue<Admission> = host.deadlines.queue(settings.timeout, expire);
        const args = argumentsOf(gateway.instance, definition, host.contexts);
        const pipeline = () => quickPipeline(gateway, definition, host.contexts);
        return new StreamRoute(definition, settings, gateway, clients, expiring, args, pipeline, host);
      }),
    );
  }

  /** Begins the streams in gateway scope. */
  start(server: Server | Namespace): void {
    const namespace = 'sockets' in server && 'of' in server ? server.sockets : (server as Namespace);
    for (const route of this.all()) {
      route.namespace = namespace;
      route.open(null);
    }
  }

  /** Begins the streams of a client. */
  open(client: Socket): void {
    this.clients.add(client);
    for (const route of this.all()) route.open(client);
  }

  /** Completes the streams of a client that has gone, once what it had sent before is in them. */
  leave(client: Socket, queue: ClientQueue | null): void {
    if (!this.clients.delete(client)) return;
    const busy = [queue, ...this.queuesOf(client)].filter((one) => one && !one.isIdle) as ClientQueue[];
    if (busy.length === 0) {
      this.end(client);
      return;
    }
    this.leaving.add(client);
    let left = busy.length;
    const idle = (): void => {
      if (--left === 0) this.end(client);
    };
    for (const one of busy) one.whenIdle(idle);
  }

  /** Whether messages of a client are on their way into streams that have a queue of their own for it. */
  isBusy(client: Socket): boolean {
    return this.queuesOf(client).some((queue) => queue?.isIdle === false);
  }

  /** Completes all streams, those of clients once what they had sent is in them, ten seconds at most. */
  async close(): Promise<void> {
    for (const client of this.clients) this.leave(client, null);
    if (this.leaving.size > 0) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.settled = resolve;
        timer = setTimeout(resolve, CLOSE_DEADLINE);
      });
      clearTimeout(timer);
    }
    for (const client of this.leaving) this.end(client, true);
    for (const route of this.all()) route.close(null, true);
  }

  stats(): StreamStats[] {
    return [...this.all()].map(({ stats }) => ({ ...stats }));
  }

  private queuesOf(client: Socket): (ClientQueue | undefined)[] {
    return [...this.all()].map((route) => route.queueOf(client));
  }

  private end(client: Socket, force = false): void {
    for (const route of this.all()) route.close(client, force);
    this.leaving.delete(client);
    if (this.leaving.size === 0) this.settled?.();
  }

  private *all(): Iterable<StreamRoute> {
    for (const route of this.routes) if (route !== null) yield route;
  }
}

function expire(admission: Admission): void {
  admission.expire();
}
