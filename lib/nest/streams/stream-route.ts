import type { LoggerService, WsMessageHandler } from '@nestjs/common';
import { WsException } from '@nestjs/websockets';
import type { Observable } from 'rxjs';
import type { Namespace, Socket } from 'socket.io';
import type { DeadlineQueue } from '../../engine/deadlines.js';
import { FAIL, UnansweredError, type Fail } from '../../streams/failure.js';
import type { Incoming } from '../../streams/incoming.js';
import { received } from '../../streams/outgoing.js';
import type { Gateway } from '../gateways.js';
import { HookArgumentsHost } from '../hook-arguments-host.js';
import { findHookFilter } from '../hook-filters.js';
import { isOpen, markAnswered, type Ack } from '../reply-error.js';
import { wsErrorsFilter } from '../ws-errors.filter.js';
import { Admission } from './admission.js';
import { ClientQueue } from './client-queue.js';
import type { ArgumentsOf } from './stream-arguments.js';
import type { StreamDefinition } from './stream-definition.js';
import type { QuickPipeline } from './quick-pipeline.js';
import type { StreamSettings } from './stream-options.js';
import { StreamOutput, type OutputHost } from './stream-output.js';
import { StreamRun } from './stream-run.js';

/** What has happened to the messages and the output of a stream method since the start. */
export interface StreamStats {
  /** `BoardGateway.strokes()` */
  readonly stream: string;
  readonly event: string;
  /** Streams that run now: one a client, or one in gateway scope. */
  active: number;
  /** Messages that came into the stream. */
  admitted: number;
  /** Messages that were refused for want of room in their client's queue. */
  overflowed: number;
  /** Messages whose guards, interceptors and pipes took too long. */
  timedOut: number;
  /** Errors of operators and of the method. */
  failed: number;
  /** Values that slow readers were not sent. */
  dropped: number;
}

/** Who keeps the queue of a client. */
export interface QueueOwner {
  queue(): ClientQueue;
}

/** What stream routes take from their adapter. */
export interface StreamHost {
  readonly logger: Pick<LoggerService, 'error' | 'warn'>;
}

/** One stream method of one gateway: who has a stream of it, how messages come into it, and where its errors go. */
export class StreamRoute implements OutputHost {
  readonly definition: StreamDefinition;
  readonly settings: StreamSettings;
  readonly logger: StreamHost['logger'];
  readonly deadlines: DeadlineQueue<Admission>;
  readonly clients: ReadonlySet<Socket>;
  readonly output: StreamOutput;
  readonly stats: StreamStats;
  namespace: Namespace | null = null;
  /** Guards and pipes of a message, once it is known that there are no interceptors. */
  quick: QuickPipeline | null = null;
  private readonly gateway: Gateway;
  private readonly arguments: ArgumentsOf;
  private readonly runs = new Map<Socket | null, StreamRun>();
  /** Queues of clients for this stream alone, where several messages may be under way. */
  private readonly queues = new Map<Socket, ClientQueue>();
  /** The `ack` of messages whose sender asked for none, or has its answer. */
  private readonly noAnswer: FailingAck;

  constructor(
    definition: StreamDefinition,
    settings: StreamSettings,
    gateway: Gateway,
    clients: ReadonlySet<Socket>,
    deadlines: DeadlineQueue<Admission>,
    args: ArgumentsOf,
    /** Makes what is quicker than Nest's handler, if it can be had. */
    private pipeline: (() => QuickPipeline | null) | null,
    { logger }: StreamHost,
  ) {
    this.definition = definition;
    this.settings = settings;
    this.gateway = gateway;
    this.clients = clients;
    this.deadlines = deadlines;
    this.arguments = args;
    this.logger = logger;
    this.output = new StreamOutput(this);
    this.noAnswer = Object.assign(() => {}, { [FAIL]: this.fail });
    markAnswered(this.noAnswer);
    const { name, event } = definition;
    this.stats = { stream: name, event, active: 0, admitted: 0, overflowed: 0, timedOut: 0, failed: 0, dropped: 0 };
  }

  get event(): string {
    return this.definition.event;
  }

  // Beginning and end.

  /** Begins the stream of a client, or for null that of the gateway. */
  open(client: Socket | null): void {
    if ((this.settings.scope === 'gateway') !== (client === null)) return;
    const run = new StreamRun(this, client);
    this.runs.set(client, run);
    this.stats.active++;
    run.start();
  }

  /** The queue of a client for this stream alone, if it has one. */
  queueOf(client: Socket): ClientQueue | undefined {
    return this.queues.get(client);
  }

  /** Completes the stream of a client, or of the gateway. @param force whatever waits. */
  close(client: Socket | null, force = false): void {
    if (client !== null) this.queues.delete(client);
    const run = this.runs.get(client);
    if (run === undefined) return;
    if (force) run.finish();
    else run.end();
    if (run.isEnded) this.runs.delete(client);
  }

  /** @internal A run has ended. One that has given up stays until its client goes, and refuses what is still sent. */
  ended(client: Socket | null): void {
    this.stats.active--;
    if (client !== null && !this.clients.has(client)) this.runs.delete(client);
  }

  /** @internal Calls the method. */
  call(stream: Observable<unknown>, client: Socket | null): unknown {
    const { instance } = this.gateway;
    const method = instance[this.definition.methodKey] as (...args: unknown[]) => unknown;
    const args = this.arguments(stream, client);
    return Array.isArray(args) ? method.apply(instance, args) : args.then((filled) => method.apply(instance, filled));
  }

  // Messages.

  /** Takes a message that arrived. @param owner of the client's queue for all its streams. */
  receive(
    client: Socket,
    owner: QueueOwner,
    callback: WsMessageHandler['callback'],
    data: unknown,
    ack: Ack | undefined,
  ): void {
    const queue = this.settings.concurrency > 1 ? this.ownQueue(client) : owner.queue();
    queue.add(new Admission(this, client, callback, data, ack));
  }

  /** @internal A message has passed Nest's handler, and it was seen that there are no interceptors: there never will be. */
  withoutInterceptors(): void {
    this.quick = this.pipeline?.() ?? null;
    this.pipeline = null;
  }

  /** @internal A message has passed guards and pipes. */
  admit(admission: Admission, value: unknown): void {
    const { client, ack } = admission;
    const run = this.runs.get(this.settings.scope === 'gateway' ? null : client);
    if (run === undefined || run.isOver) {
      admission.refuse('stream_ended', `"${this.event}" takes no more messages`);
      return;
    }
    if (run.waiting >= this.settings.queue.limit) {
      this.stats.overflowed++;
      if (ack === undefined && run.isOverflowing) return;
      run.isOverflowing = true;
      this.refuseOverflown(admission);
      return;
    }
    this.stats.admitted++;
    run.isOverflowing = false;
    run.push(admission, received(value));
    if (ack !== undefined && this.settings.ack === 'auto' && isOpen(ack)) {
      markAnswered(ack);
      ack();
    }
  }

  /** @internal What the stream's elements are. */
  elementOf({ client, ack }: Admission, data: unknown): unknown {
    const { noAnswer } = this;
    if (this.settings.ack === 'manual')
      return { client, data, ack: ack ? answerOnce(ack, this.fail) : noAnswer } satisfies Incoming;
    return this.settings.scope === 'gateway' ? ({ client, data, ack: noAnswer } satisfies Incoming) : data;
  }

  /** @internal @param hasPassed whether guards and pipes are done with it, and only its interceptors have not ended. */
  timedOut(admission: Admission, hasPassed: boolean): void {
    this.stats.timedOut++;
    const what = hasPassed ? 'the interceptors of a message had not ended' : 'a message had not passed';
    this.logger.warn(`${this.definition.name}: ${what} after ${this.settings.timeout} ms`);
    if (!hasPassed) admission.refuse('timeout', `"${this.event}" took too long`);
  }

  private ownQueue(client: Socket): ClientQueue {
    let queue = this.queues.get(client);
    if (queue === undefined) this.queues.set(client, (queue = new ClientQueue(this.settings.concurrency)));
    return queue;
  }

  /** @internal There was no room for a message in its client's queue. */
  overflown(admission: Admission, queue: ClientQueue): void {
    this.stats.overflowed++;
    if (this.settings.queue.overflow === 'disconnect') {
      const { client } = admission;
      // what came together with the message that was too much
      if (client.conn.readyState !== 'open') return;
      this.logger.warn(`${this.definition.name}: ${queue.waiting} messages of client ${client.id} wait`);
      client.conn.close();
      return;
    }
    if (admission.ack === undefined) {
      // a flood must not be answered by another one
      if (queue.isOverflowing) return;
      queue.isOverflowing = true;
    }
    this.refuseOverflown(admission);
  }

  private refuseOverflown(admission: Admission): void {
    admission.refuse('queue_full', `too many messages of "${this.event}" at a time`);
  }

  // Errors.

  /** @internal An operator or the method has thrown. @param cause the message that made it, if that is known. */
  failed(error: unknown, cause: Admission | null, client: Socket | null): void {
    this.stats.failed++;
    if (cause !== null) this.report(error, cause);
    else if (client !== null) this.report(error, { client, data: undefined, ack: undefined });
    else this.logger.error(error);
  }

  /** Tells of an error that an operator has caught for a message, after which the stream goes on. */
  private readonly fail: Fail = ({ client, data, ack }, error) => {
    const open = isOpen(ack) ? ack : undefined;
    if (!(error instanceof UnansweredError)) {
      this.stats.failed++;
      this.report(error, { client, data, ack: open });
      return;
    }
    const { code, message } = error;
    if (code === 'queue_full') this.stats.overflowed++;
    // where nobody waits for an answer, a flood must not be answered by another one
    if (open !== undefined)
      this.report(new WsException({ status: 'error', code, message }), { client, data, ack: open });
  };

  /** @internal What follows when a stream has failed for good. */
  gaveUp(client: Socket | null): void {
    const { name } = this.definition;
    const { onError } = this.settings;
    if (client === null) {
      this.logger.error(`${name} has ended: it failed ${onError === 'restart' ? 'too often' : 'once'}`);
    } else if (onError !== 'complete' && client.connected) {
      this.logger.warn(`${name} has failed for client ${client.id}, which is disconnected`);
      client.conn.close();
    }
  }

  /** Gives an exception to the filters, as one that a handler of the message has thrown. */
  report(exception: unknown, { client, data, ack }: Pick<Admission, 'client' | 'data' | 'ack'>): void {
    const gate = this.gateway.instance[this.definition.key];
    const filter = findHookFilter(this.gateway, gate, exception) ?? wsErrorsFilter;
    try {
      const answered: unknown = filter.catch(exception, new HookArgumentsHost(client, this.event, data, ack));
      if (answered instanceof Promise) answered.catch((error: unknown) => this.logger.error(error));
    } catch (error) {
      this.logger.error(error);
    }
  }

  dropped(): void {
    this.stats.dropped++;
  }

  warn(text: string): void {
    this.logger.warn(`${this.definition.name}: ${text}`);
  }
}

/** An acknowledgement that tells operators how to fail. */
type FailingAck = Ack & { [FAIL]?: Fail };

function answerOnce(ack: Ack, fail: Fail): FailingAck {
  const once: FailingAck = (...answer) => {
    if (!isOpen(ack)) return;
    // an answer that cannot be encoded throws, and leaves the place to an error
    ack(...answer);
    markAnswered(ack);
    markAnswered(once);
  };
  once[FAIL] = fail;
  return once;
}
