import type { LoggerService, WsMessageHandler } from '@nestjs/common';
import { from, isObservable, type Observable } from 'rxjs';
import type { Socket } from 'socket.io';
import { ClientRoutes, type Transform } from './client-routes.js';
import { markAnswered, rememberAnswer, type Ack } from './reply-error.js';

/** What a route table takes from its adapter. */
export interface RouteHost {
  readonly logger: Pick<LoggerService, 'error'>;
  /** Whether a failure may be answered by the acknowledgement, so that its use has to be known. */
  readonly answersByAck: boolean;
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

  constructor(private readonly host: RouteHost) {
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

  /** Takes the listeners for messages from a client. */
  unbind(client: Socket): void {
    for (const { message, listener } of this.routes ?? []) client.off(message, listener);
  }

  /** Calls back when a client disconnects, with the reason alone. */
  bindDisconnect(client: Socket, callback: (reason: string) => void): void {
    ClientRoutes.of(client, this).disconnected = callback;
    client.on('disconnect', this.disconnectListener);
  }

  /** @internal Handles one message. */
  async receive(client: Socket, index: number, payload: unknown): Promise<void> {
    const { callbacks, transform } = ClientRoutes.find(client, this)!;
    const callback = callbacks[index];
    // an earlier listener of this very message has disconnected the client
    if (callback === undefined) return;
    const { answersItself } = this.routes![index]!;
    try {
      const { data, ack } = this.host.mapPayload(payload) as { data: unknown; ack?: Ack };
      const watched = ack !== undefined && answersItself && this.host.answersByAck ? rememberAnswer(ack) : ack;
      const returned: unknown = callback(data, watched);
      const automaticAck = answersItself ? undefined : ack;
      if (transform !== null) {
        this.subscribe(client, transform(returned), automaticAck);
        return;
      }
      const result = await returned;
      // what a client that has gone would get is dropped, and so are streams that nobody would end
      if (result === undefined || result === null || client.connected === false) return;
      if (isObservable(result)) this.subscribe(client, result, automaticAck);
      else deliver(client, result, automaticAck);
    } catch (error) {
      // a filter of the application has thrown; the next message of this event is handled as if nothing had happened
      this.host.logger.error(error);
    }
  }

  private subscribe(client: Socket, results: Observable<unknown>, ack: Ack | undefined): void {
    const subscription = from(results).subscribe({
      next: (result) => {
        if (result === undefined || result === null || client.connected === false) return;
        try {
          // should the stream fail later, its failure cannot use this acknowledgement any more
          if (deliver(client, result, ack)) markAnswered(ack!);
        } catch (error) {
          this.host.logger.error(error);
        }
      },
      error: (error: unknown) => this.host.logger.error(error),
    });
    ClientRoutes.endWithClient(client, subscription);
  }
}

/**
 * A result that names an event is sent as that event; any other answers the message, if an answer was asked for. Returns
 * whether it was answered.
 */
function deliver(client: Socket, result: unknown, ack: Ack | undefined): boolean {
  const { event, data } = result as { event?: string; data?: unknown };
  if (event) {
    client.emit(event, data);
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
      void table.receive(this, index, args.length > 1 ? args : args[0]);
    },
  };
}

function makeDisconnectListener(table: RouteTable): (this: Socket, reason: string) => void {
  return function disconnectListener(this: Socket, reason: string) {
    this.off('disconnect', disconnectListener);
    ClientRoutes.find(this, table)?.disconnected?.(reason);
  };
}
