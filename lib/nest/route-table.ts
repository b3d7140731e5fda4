import type { LoggerService, WsMessageHandler } from '@nestjs/common';
import { from, isObservable, type Observable } from 'rxjs';
import type { Socket } from 'socket.io';
import type { DeadlineQueue } from '../engine/deadlines.js';
import { ClientRoutes, type Transform } from './client-routes.js';
import { emitAnswer } from './emit-answer.js';
import { HandlerCall } from './handler-call.js';
import { markAnswered, rememberAnswer, type Ack } from './reply-error.js';
import type { GatewayStreams } from './streams/gateway-streams.js';

/** What a route table takes from its adapter. */
export interface RouteHost {
  readonly logger: Pick<LoggerService, 'error'>;
  /** Whether a failure may be answered by the acknowledgement, so that its use has to be known. */
  readonly answersByAck: boolean;
  /** Where the handlers of one client run one after the other: how long each may keep the next one waiting. */
  readonly ordered: DeadlineQueue<HandlerCall> | null;
  /** The message of an event's arguments; one argument comes as it is, several as an array. */
  mapPayload(payload: unknown): { data: unknown; ack?: Function };
}

interface Route {
  readonly message: string;
  readonly answersItself: boolean;
  /** Shared by all clients; finds the client's own callback through `this`. */
  readonly listener: (this: Socket, ...args: unknown[]) => void;
}

/**
 * The message handlers of one gateway. Nest hands them over once a client, as functions bound to it; the table is made
 * from the first client's, and all clients share its listeners. A client costs an array of what Nest has bound, and a
 * message no rxjs pipeline unless its handler returned an Observable.
 */
export class RouteTable {
  private routes: readonly Route[] | null = null;
  private readonly disconnectListener: (this: Socket, reason: string) => void;

  constructor(
    private readonly host: RouteHost,
    /** The streams of the gateway, if it has any. */
    readonly streams: GatewayStreams | null = null,
  ) {
    this.disconnectListener = makeDisconnectListener(this);
  }

  /**
   * Whether these handlers are those the table was made of. They are, unless a subclass of the adapter changes them for
   * a client.
   */
  accepts(handlers: readonly WsMessageHandler[]): boolean {
    const { routes } = this;
    if (routes === null) return true;
    if (routes.length !== handlers.length) return false;
    return handlers.every(
      ({ message, isAckHandledManually }, index) =>
        routes[index]!.message === message && routes[index]!.answersItself === isAckHandledManually,
    );
  }

  /** Binds a client, until its disconnect. */
  bind(client: Socket, handlers: readonly WsMessageHandler[], transform: Transform | null): void {
    this.routes ??= handlers.map((handler, index) => makeRoute(this, handler, index));
    if (handlers.length === 0) return;
    const bound = ClientRoutes.of(client, this);
    bound.callbacks = handlers.map(({ callback }) => callback);
    bound.transform = transform;
    ClientRoutes.endAtDisconnect(client);
    for (const { message, listener } of this.routes) client.on(message, listener);
  }

  /** Begins the gateway's streams of a client that was bound. */
  openStreams(client: Socket): void {
    if (client.connected !== false) this.streams?.open(client);
  }

  /** Takes the listeners for messages from a client. */
  unbind(client: Socket): void {
    for (const { message, listener } of this.routes ?? []) client.off(message, listener);
  }

  /** Calls back when a client disconnects, with the reason alone. */
  bindDisconnect(client: Socket, callback: (reason: string) => void): void {
    ClientRoutes.of(client, this).disconnected = callback;
    client.on('disconnect', this.disconnectListener);
  }

  /** @internal Takes one message that arrived. */
  receive(client: Socket, index: number, payload: unknown): void {
    const routes = ClientRoutes.find(client, this)!;
    const callback = routes.callbacks[index];
    // an earlier listener of this very message has disconnected the client
    if (callback === undefined) return;
    try {
      const { data, ack } = this.host.mapPayload(payload) as { data: unknown; ack?: Ack };
      const stream = this.streams?.routes[index];
      if (stream) stream.receive(client, routes, callback, data, ack);
      else if (this.host.ordered === null) void this.handle(client, index, callback, data, ack, undefined);
      else {
        const { message } = this.routes![index]!;
        routes.queue().add(new HandlerCall(this, client, message, index, callback, data, ack, this.host.ordered));
      }
    } catch (error) {
      // an adapter of the application, or one of its filters, has thrown
      this.host.logger.error(error);
    }
  }

  /**
   * @internal Handles one message.
   * @param settled called once its result is there.
   */
  async handle(
    client: Socket,
    index: number,
    callback: WsMessageHandler['callback'],
    data: unknown,
    ack: Ack | undefined,
    settled: (() => void) | undefined,
  ): Promise<void> {
    const { answersItself } = this.routes![index]!;
    const routes = ClientRoutes.find(client, this)!;
    const { transform } = routes;
    routes.begin();
    try {
      const watched = ack !== undefined && answersItself && this.host.answersByAck ? rememberAnswer(ack) : ack;
      const returned: unknown = callback(data, watched);
      const automaticAck = answersItself ? undefined : ack;
      if (transform !== null) {
        this.subscribe(client, transform(returned), automaticAck, once(routes, settled));
        return;
      }
      const result = await returned;
      // what a client that has gone would get is dropped; streams that nobody would end are not begun
      const isWanted = result !== undefined && result !== null && client.connected !== false;
      if (isWanted && isObservable(result)) {
        this.subscribe(client, result, automaticAck, once(routes, settled));
        return;
      }
      if (isWanted) deliver(client, result, automaticAck);
    } catch (error) {
      // a filter of the application has thrown; the next message of this event is handled as if nothing had happened
      this.host.logger.error(error);
    }
    routes.end();
    settled?.();
  }

  private subscribe(client: Socket, results: Observable<unknown>, ack: Ack | undefined, settled: () => void): void {
    const subscription = from(results).subscribe({
      next: (result) => {
        try {
          if (result === undefined || result === null || client.connected === false) return;
          // should the stream fail later, its failure cannot use this acknowledgement any more
          if (deliver(client, result, ack)) markAnswered(ack!);
        } catch (error) {
          this.host.logger.error(error);
        } finally {
          settled();
        }
      },
      error: (error: unknown) => this.host.logger.error(error),
    });
    // at its end, and when its client goes before it has sent anything
    subscription.add(settled);
    ClientRoutes.endWithClient(client, subscription);
  }
}

/** Ends a message whose result is an Observable: at its first value or its end, whatever comes first. */
function once(routes: ClientRoutes, settled: (() => void) | undefined): () => void {
  let isOver = false;
  return () => {
    if (isOver) return;
    isOver = true;
    routes.end();
    settled?.();
  };
}

/**
 * A result that names an event is sent as that event; any other answers the message, if an answer was asked for. Returns
 * whether it was answered.
 */
function deliver(client: Socket, result: unknown, ack: Ack | undefined): boolean {
  const { event, data } = result as { event?: string; data?: unknown };
  if (event) {
    emitAnswer(client, event, data);
    return false;
  }
  ack?.(result);
  return ack !== undefined;
}

function makeRoute(table: RouteTable, { message, isAckHandledManually }: WsMessageHandler, index: number): Route {
  return {
    message,
    answersItself: isAckHandledManually,
    listener(this: Socket, ...args: unknown[]) {
      table.receive(this, index, args.length > 1 ? args : args[0]);
    },
  };
}

function makeDisconnectListener(table: RouteTable): (this: Socket, reason: string) => void {
  return function disconnectListener(this: Socket, reason: string) {
    this.off('disconnect', disconnectListener);
    ClientRoutes.find(this, table)?.disconnected?.(reason);
  };
}
