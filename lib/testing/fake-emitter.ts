import { Server } from 'socket.io';
import { Emitter } from '../emitter/emitter.js';
import type { Answer, EventData, EventName, RequestEvent } from '../emitter/emitter-events.js';
import { EmitterHost } from '../emitter/emitter-host.js';
import type { EventsMap } from '../streams/events-map.js';
import { RecordingAdapter, type FakeClient, type Sent } from './recording-adapter.js';

/** An event that a {@link FakeEmitter} was told to send, and to whom. */
export type SentEvent<Events extends EventsMap = any> = {
  [E in EventName<Events>]: { readonly event: E; readonly args: EventData<Events[E]> } & Sent;
}[EventName<Events>];

/** How a {@link FakeEmitter} begins. */
export interface FakeEmitterOptions {
  /** Clients for `sockets`, `join`, `leave` and `disconnect`. Default none. */
  clients?: readonly FakeClient[];
  /** False for an application that has not started yet: see {@link FakeEmitter.start}. Default true. */
  started?: boolean;
}

type Answers<F> = readonly (Answer<F> | PromiseLike<Answer<F>>)[];
type AdapterFactory = NonNullable<Parameters<Server['adapter']>[0]>;

/**
 * An emitter for unit tests: it sends nothing, and remembers what it was told to send. It is the class that applications use, above
 * an adapter of its own, so that it narrows, throws, times out and pipes as they see it.
 *
 * ```ts
 * const board = fakeEmitter<BoardEvents>();
 * new Announcer(board).announce('Tea is ready');
 * expect(board.emitted).toMatchObject([{ event: 'announcement', args: ['Tea is ready'], to: ['kitchen'] }]);
 * ```
 */
export class FakeEmitter<Events extends EventsMap = any> extends Emitter<Events> {
  /** What was emitted or piped, also through narrowed ones, in order. */
  readonly emitted: readonly SentEvent<Events>[];
  /** What was asked for by {@link Emitter.request}, in order. */
  readonly requested: readonly SentEvent<Events>[];
  /** What failed in the background: sources of `pipe`. An application logs it. */
  readonly errors: readonly unknown[];
  private readonly recorder: RecordingAdapter;
  private readonly host: EmitterHost;

  constructor({ clients = [], started = true }: FakeEmitterOptions = {}) {
    const errors: unknown[] = [];
    const host = new EmitterHost({ error: (error) => errors.push(error), warn() {} });
    super(host.target('/'));
    this.recorder = new RecordingAdapter(clients);
    this.emitted = this.recorder.emitted as readonly unknown[] as readonly SentEvent<Events>[];
    this.requested = this.recorder.requested as readonly unknown[] as readonly SentEvent<Events>[];
    this.errors = errors;
    this.host = host;
    if (started) this.start();
  }

  /**
   * Says what clients answer to requests of an event, from now on. Without it nobody is asked.
   *
   * @param answers one for each client, or a function of what the request carries. A promise is an answer that comes later; one that
   *   rejects never comes.
   * @param options `silent`: how many clients are asked besides, and never answer. Default 0.
   */
  answer<E extends RequestEvent<Events>>(
    event: E,
    answers: Answers<Events[E]> | ((...data: EventData<Events[E]>) => Answers<Events[E]>),
    { silent = 0 }: { silent?: number } = {},
  ): this {
    this.recorder.replies.set(event, { answers, silent });
    return this;
  }

  /** The application starts: what is emitted is recorded from now on, and pipes run. */
  start(): void {
    if (this.host.server !== null) return;
    const { recorder } = this;
    // what socket.io makes adapters with; nobody listens, so this is a server in name only
    const adapter = function adapter() {
      return recorder;
    };
    this.host.serve(new Server({ adapter: adapter as unknown as AdapterFactory }));
    this.host.start();
  }

  /** The application is closed: pipes end, requests that wait fail, and what is emitted reaches nobody. */
  close(): void {
    this.host.close();
  }

  /** Forgets what was emitted, asked for and failed. */
  clear(): void {
    for (const list of [this.recorder.emitted, this.recorder.requested, this.errors as unknown[]]) list.length = 0;
  }
}

/** A new {@link FakeEmitter}. */
export function fakeEmitter<Events extends EventsMap = any>(options?: FakeEmitterOptions): FakeEmitter<Events> {
  return new FakeEmitter(options);
}
