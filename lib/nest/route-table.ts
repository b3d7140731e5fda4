import type { LoggerService, WsMessageHandler } from '@nestjs/common';
import { from, isObservable, type Observable } from 'rxjs';
import type { Socket } from 'socket.io';
import { endStreamsAtDisconnect, endWithClient } from './live-streams.js';
import { markAnswered, rememberAnswer, type Ack } from './reply-error.js';

/** What a route table takes from its adapter. */
export interface RouteHost {
  readonly logger: Pick<LoggerService, 'error'>;
  /** Whether a failure may be answered by the acknowledgement, so that its use has to be known. */
  readonly answersByAck: boolean;
  /** The message of an event's arguments; one argument comes as it is, several as an array. */
  mapPayload(payload: unknown): { data: unknown; ack?: Function };
}

/** Makes an Observable of what a handler returned. */
export type Transform = (result: unknown) => Observable<unknown>;

type Callback = WsMessageHandler['callback'];

interface Route {
  readonly message: string;
  readonly answersItself: boolean;
  /** Shared by all clients; finds the client's own callback through `this`. */
  readonly listener: (this: Socket, ...args: unknown[]) => void;
}

/** What one gateway keeps of one client: Nest's callbacks, in the order of the routes, and its disconnect callback. */
class ClientRoutes {
  disconnected: ((reason: string) => void) | null = null;

  constructor(
    readonly callbacks: readonly Callback[],
    readonly transform: Transform | null,
  ) {}
}

/**
 * The message handlers of one gateway. Nest hands them over once a client, as functions bound to it; the table is made
 * from the first client's, and all clients share its listeners. A client costs an array of what Nest has bound, and a
 * message no rxjs pipeline unless its handler returned an Observable.
 */
export class RouteTable {
  /** Where a client keeps its part. A client has one for each gateway of its namespace. */
  private readonly key: symbol = Symbol('nestwire.routes');
  private routes: readonly Route[] | null = null;

  constructor(private readonly host: RouteHost) {}

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

  /**
   * Binds a client.
   *
   * @param transform runs on what every handler returned; null for Nest's own, which does nothing that is not done here.
   */
  bind(client: Socket, handlers: readonly WsMessageHandler[], transform: Transform | null): void {
    this.routes ??= handlers.map((handler, index) => this.route(handler, index));
    if (handlers.length === 0) return;
    this.store(
      client,
      new ClientRoutes(
        handlers.map(({ callback }) => callback),
        transform,
      ),
    );
    endStreamsAtDisconnect(client);
    for (const { message, listener } of this.routes) client.on(message, listener);
  }

  /** Calls back when a client disconnects, with the reason alone. */
  bindDisconnect(client: Socket, callback: (reason: string) => void): void {
    const routes = this.find(client) ?? this.store(client, new ClientRoutes([], null));
    routes.disconnected = callback;
    client.on('disconnect', this.disconnectListener);
  }

  private readonly disconnectListener = this.makeDisconnectListener();

  private makeDisconnectListener(): (this: Socket, reason: string) => void {
    const find = (client: Socket): ClientRoutes | undefined => this.find(client);
    return function (this: Socket, reason: string) {
      find(this)?.disconnected?.(reason);
    };
  }

  private route({ message, isAckHandledManually }: WsMessageHandler, index: number): Route {
    const receive = (client: Socket, payload: unknown): void => void this.receive(client, index, payload);
    return {
      message,
      answersItself: isAckHandledManually,
      listener(this: Socket, ...args: unknown[]) {
        receive(this, args.length > 1 ? args : args[0]);
      },
    };
  }

  private async receive(client: Socket, index: number, payload: unknown): Promise<void> {
    const { callbacks, transform } = this.find(client)!;
    const { answersItself } = this.routes![index]!;
    try {
      const { data, ack } = this.host.mapPayload(payload) as { data: unknown; ack?: Ack };
      const remembered = ack !== undefined && answersItself && this.host.answersByAck ? rememberAnswer(ack) : ack;
      const returned = callbacks[index]!(data, remembered) as unknown;
      const automaticAck = answersItself ? undefined : ack;
      if (transform !== null) {
        this.subscribe(client, transform(returned), automaticAck);
        return;
      }
      const result = await returned;
      // what a client that has gone would get is dropped, as are streams that nobody would end
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
          deliver(client, result, ack);
          if (ack !== undefined) markAnswered(ack);
        } catch (error) {
          this.host.logger.error(error);
        }
      },
      error: (error: unknown) => this.host.logger.error(error),
    });
    endWithClient(client, subscription);
  }

  private find(client: Socket): ClientRoutes | undefined {
    return (client as { [key: symbol]: ClientRoutes | undefined } & Socket)[this.key];
  }

  private store(client: Socket, routes: ClientRoutes): ClientRoutes {
    (client as { [key: symbol]: ClientRoutes | undefined } & Socket)[this.key] = routes;
    return routes;
  }
}

/** A result that names an event is sent as that event; any other answers the message, if an answer was asked for. */
function deliver(client: Socket, result: unknown, ack: Ack | undefined): void {
  const { event, data } = result as { event?: string; data?: unknown };
  if (event) client.emit(event, data);
  else if (ack !== undefined) ack(result);
}
