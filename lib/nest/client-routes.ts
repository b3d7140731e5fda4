import type { WsMessageHandler } from '@nestjs/common';
import type { Observable, Subscription } from 'rxjs';
import type { Socket } from 'socket.io';
import type { RouteTable } from './route-table.js';
import { ClientQueue } from './streams/client-queue.js';

/** Makes an Observable of what a handler returned. */
export type Transform = (result: unknown) => Observable<unknown>;

/** Where a client keeps its part of the route tables; one property for all of them. */
const ROUTES = Symbol('nestwire.routes');

type Client = Socket & { [ROUTES]?: ClientRoutes };

/**
 * What one client has of one gateway: the callbacks that Nest has bound to it. A client has one of these for each gateway
 * of its namespace, in a chain.
 */
export class ClientRoutes {
  readonly table: RouteTable;
  /** In the order of the table's routes. */
  callbacks: readonly WsMessageHandler['callback'][];
  /** Runs on whatever a handler returned; null for Nest's own, which does nothing that is not done without it. */
  transform: Transform | null;
  /** Nest's callback for the disconnect. */
  disconnected: ((reason: string) => void) | null;
  /** Observables that still run for this client, whatever their gateway; kept by the first of the chain. */
  live: Set<Subscription> | null;
  /** How many messages are being handled, whatever their gateway; kept by the first of the chain. */
  private running: number;
  /** Messages that are handled in order, whatever their gateway; kept by the first of the chain. */
  private ordered: ClientQueue | null;
  private first: ClientRoutes;
  private next: ClientRoutes | null;

  private constructor(table: RouteTable, first: ClientRoutes | null) {
    this.table = table;
    this.callbacks = [];
    this.transform = null;
    this.disconnected = null;
    this.live = null;
    this.running = 0;
    this.ordered = null;
    this.first = first ?? this;
    this.next = null;
  }

  /** The client's queue of messages that are handled in order. */
  queue(): ClientQueue {
    return (this.first.ordered ??= new ClientQueue());
  }

  /** A handler of the client's begins. */
  begin(): void {
    this.first.running++;
  }

  /** Its result is there, and on its way. */
  end(): void {
    this.first.running--;
  }

  /** Whether something that a client has sent is still being handled, or waits for its turn. */
  static isBusy(client: Client): boolean {
    const first = client[ROUTES];
    if (first === undefined) return false;
    if (first.running > 0 || first.ordered?.isIdle === false) return true;
    let routes: ClientRoutes | null = first;
    while (routes !== null && routes.table.streams?.isBusy(client) !== true) routes = routes.next;
    return routes !== null;
  }

  /** A client's part of a table; undefined when it has none. */
  static find(client: Client, table: RouteTable): ClientRoutes | undefined {
    let routes = client[ROUTES] ?? null;
    while (routes !== null && routes.table !== table) routes = routes.next;
    return routes ?? undefined;
  }

  /** A client's part of a table, made when it has none. */
  static of(client: Client, table: RouteTable): ClientRoutes {
    const first = client[ROUTES];
    if (first === undefined) return (client[ROUTES] = new ClientRoutes(table, null));
    let routes = first;
    while (routes.table !== table) routes = routes.next ??= new ClientRoutes(table, first);
    return routes;
  }

  /** Unbinds at the client's disconnect what is bound by then, before anybody else hears of it. */
  static endAtDisconnect(client: Client): void {
    if (!client.listeners('disconnect').includes(endRoutes)) client.on('disconnect', endRoutes);
  }

  /** Keeps a subscription that ends with its client. Costs nothing for one that has ended already. */
  static endWithClient(client: Client, subscription: Subscription): void {
    if (subscription.closed) return;
    const first = client[ROUTES];
    if (client.connected === false || first === undefined) {
      subscription.unsubscribe();
      return;
    }
    const live = (first.live ??= new Set());
    live.add(subscription);
    subscription.add(() => {
      live.delete(subscription);
      // an idle client keeps nothing
      if (live.size === 0 && first.live === live) first.live = null;
    });
  }

  /** @internal Ends everything that a client has of its gateways, but for their callbacks of the disconnect. */
  static end(client: Client): void {
    const first = client[ROUTES];
    for (let routes = first ?? null; routes !== null; routes = routes.next) {
      routes.table.unbind(client);
      routes.callbacks = [];
    }
    for (const subscription of first?.live ?? []) subscription.unsubscribe();
    for (let routes = first ?? null; routes !== null; routes = routes.next) {
      routes.table.streams?.leave(client, first!.ordered);
    }
  }
}

function endRoutes(this: Socket): void {
  this.off('disconnect', endRoutes);
  ClientRoutes.end(this);
}
