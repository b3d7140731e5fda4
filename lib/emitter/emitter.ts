import { defer, EMPTY, type Observable, type ObservableInput, type Subscription } from 'rxjs';
import type { BroadcastOperator, Namespace, RemoteSocket } from 'socket.io';
import type { EventsMap } from '../streams/events-map.js';
import {
  refuseReserved,
  type Answer,
  type EventData,
  type EventName,
  type RequestEvent,
  type SingleData,
  type SingleEvent,
} from './emitter-events.js';
import type { EmitterTarget } from './emitter-target.js';
import { checkPipeOptions, pipeTo, type PipeOptions } from './pipe.js';
import { checkTimeout, DEFAULT_REQUEST_TIMEOUT, request, type RequestOptions } from './request.js';

type Adapter = Namespace['adapter'];
type Operator = BroadcastOperator<any, any>;

/** Room names: one, or several. */
export type RoomNames = string | readonly string[];

/** Whom an emitter reaches, and how. */
interface Narrowing {
  /** Null for everybody; an empty list for nobody. */
  readonly to: readonly string[] | null;
  readonly except: readonly string[];
  readonly volatile: boolean;
  readonly local: boolean;
}

const EVERYBODY: Narrowing = { to: null, except: [], volatile: false, local: false };

/**
 * Sends to the clients of a namespace, from anywhere in an application: see `@InjectEmitter()`. Typed by a map of events, as
 * socket.io's `Server` is:
 *
 * ```ts
 * interface BoardEvents {
 *   strokes(strokes: Stroke[]): void;
 *   ready(question: string, answer: (isReady: boolean) => void): void;
 * }
 * board.to('room').emit('strokes', strokes);
 * ```
 *
 * `to`, `except`, `volatile` and `local` give a narrowed emitter and leave this one as it is; what is used often may be kept.
 *
 * While there is no server, before the application has started and after it was closed, nobody is reached: `emit`, `join`, `leave`
 * and `disconnect` do nothing, `sockets` finds nobody, a request completes without an answer; a `pipe` waits for the start.
 */
export class Emitter<Events extends EventsMap = any> {
  private readonly target: EmitterTarget;
  private readonly narrowing: Narrowing;
  /** What is below `operator`; another one when the namespace was made anew, or the server was given another adapter. */
  private adapter: Adapter | null;
  private operator: Operator | null;

  /** Applications get theirs by `@InjectEmitter()`, and tests by `fakeEmitter()`. */
  constructor(target: EmitterTarget, narrowing: Narrowing = EVERYBODY) {
    this.target = target;
    this.narrowing = narrowing;
    this.adapter = null;
    this.operator = null;
  }

  // Narrowing.

  /** Only clients in one of these rooms, besides those in rooms named before; the id of a client is a room. None: nobody. */
  to(rooms: RoomNames): Emitter<Events> {
    const { to, except, volatile, local } = this.narrowing;
    const names = to === null ? listOf(rooms) : [...to, ...listOf(rooms)];
    return new Emitter(this.target, { to: names, except, volatile, local });
  }

  /** No clients in one of these rooms, nor in those named before. */
  except(rooms: RoomNames): Emitter<Events> {
    return this.narrowed({ except: [...this.narrowing.except, ...listOf(rooms)] });
  }

  /** Sends to a client only what its transport takes at once: for what is worth nothing later. */
  get volatile(): Emitter<Events> {
    return this.narrowed({ volatile: true });
  }

  /** Only clients of this node of a cluster. */
  get local(): Emitter<Events> {
    return this.narrowed({ local: true });
  }

  // Sending.

  /**
   * Sends an event.
   *
   * @throws Error for an event that socket.io keeps for itself (`connect`, `disconnect`, …); TypeError for a callback, since answers
   *   are for {@link request}; with the in-memory adapter, what the encoder throws for data that cannot be encoded.
   */
  emit<E extends EventName<Events>>(event: E, ...data: EventData<Events[E]>): void {
    if (typeof data[data.length - 1] === 'function') {
      throw new TypeError(`emit("${event}") takes no callback: answers come of request()`);
    }
    const operator = this.current();
    if (operator === null) refuseReserved(event);
    else operator.emit(event, ...data);
  }

  /**
   * Sends an event and emits what the clients answer, in the order in which it comes; completes when all have. Sends when it is
   * subscribed to, each time.
   *
   * Errs with {@link IncompleteAnswersError} when somebody has not answered in time, for example because he has gone.
   *
   * @param data what the event carries; undefined for one that carries nothing.
   * @throws as {@link emit}; RangeError for a time-out that is none.
   */
  request<E extends RequestEvent<Events>>(
    event: E,
    data: SingleData<Events[E]>,
    { timeout = DEFAULT_REQUEST_TIMEOUT }: RequestOptions = {},
  ): Observable<Answer<Events[E]>> {
    refuseReserved(event);
    checkTimeout(timeout);
    return defer(() => {
      const namespace = this.namespaceNow();
      if (namespace === null) return EMPTY;
      const { to, except, volatile, local } = this.narrowing;
      const audience = {
        rooms: new Set(to),
        except: new Set(except),
        flags: { ...(local && { local }), ...(volatile && { volatile }) },
      };
      const args = data === undefined ? [] : [data];
      return request<Answer<Events[E]>>(this.target, namespace, audience, event, args, timeout);
    });
  }

  /**
   * Sends each value of a source as an event, from the start of the server until its end, or the source's, or until the
   * subscription is unsubscribed. A source that fails is logged.
   *
   * @throws as {@link emit}; TypeError for a budget that is none.
   */
  pipe<E extends SingleEvent<Events>>(
    event: E,
    source$: ObservableInput<SingleData<Events[E]>>,
    options: PipeOptions = {},
  ): Subscription {
    refuseReserved(event);
    checkPipeOptions(options);
    const { to, except } = this.narrowing;
    return pipeTo(this.target, event, source$, options, {
      recipients: { to: to ?? undefined, except },
      namespace: () => this.namespaceNow(),
      operator: () => this.current(),
    });
  }

  // Clients.

  /** Makes the clients join rooms. */
  join(rooms: RoomNames): void {
    this.current()?.socketsJoin(listOf(rooms) as string[]);
  }

  /** Makes the clients leave rooms. */
  leave(rooms: RoomNames): void {
    this.current()?.socketsLeave(listOf(rooms) as string[]);
  }

  /**
   * Disconnects the clients from the namespace. Stock clients do not come back after that.
   *
   * @param options `close`: also from all other namespaces, with the connection itself. Default false.
   */
  disconnect({ close = false }: { close?: boolean } = {}): void {
    this.current()?.disconnectSockets(close);
  }

  /**
   * The clients, with `id`, `handshake`, `rooms` and `data`; in a cluster those of all nodes, unless {@link local}.
   *
   * @throws Error when another node does not tell of its own in time.
   */
  async sockets(): Promise<RemoteSocket<Events, any>[]> {
    return (await this.current()?.fetchSockets()) ?? [];
  }

  private narrowed(more: Partial<Narrowing>): Emitter<Events> {
    return new Emitter(this.target, { ...this.narrowing, ...more });
  }

  /** Null when nobody can be reached. */
  private namespaceNow(): Namespace | null {
    // no rooms are nobody; socket.io would take them for all
    if (this.narrowing.to?.length === 0) return null;
    return this.target.namespace ?? this.target.find();
  }

  private current(): Operator | null {
    const namespace = this.namespaceNow();
    if (namespace === null) return null;
    if (namespace.adapter !== this.adapter) {
      this.adapter = namespace.adapter;
      this.operator = operatorOf(namespace, this.narrowing);
    }
    return this.operator;
  }
}

/** socket.io's own object for it; it keeps no state, so that one serves all that is sent. It copies the lists. */
function operatorOf(namespace: Namespace, { to, except, volatile, local }: Narrowing): Operator {
  let operator: Operator = to === null ? namespace.except(except as string[]) : namespace.to(to as string[]);
  if (to !== null && except.length > 0) operator = operator.except(except as string[]);
  if (volatile) operator = operator.volatile;
  if (local) operator = operator.local;
  return operator;
}

/** A list that nobody else can change. */
function listOf(rooms: RoomNames): readonly string[] {
  return typeof rooms === 'string' ? [rooms] : [...rooms];
}
