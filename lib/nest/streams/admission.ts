import { createParamDecorator, type ExecutionContext, type WsMessageHandler } from '@nestjs/common';
import { WsException } from '@nestjs/websockets';
import { isObservable, type Observable, type Subscription } from 'rxjs';
import type { Socket } from 'socket.io';
import type { DeadlineEntry, DeadlineQueue } from '../../engine/deadlines.js';
import type { Ack } from '../reply-error.js';
import type { ClientQueue, Job } from './client-queue.js';
import { asRefusal, type QuickPipeline } from './quick-pipeline.js';
import type { StreamRoute } from './stream-route.js';

const STATE = { WAITING: 0, RUNNING: 1, DONE: 2 } as const;

/**
 * One message on its way into a stream: through Nest's interceptors, guards and pipes to the gate, which is what stands in the
 * place of the method. It travels as an argument behind the acknowledgement, so that the gate knows whose message it is.
 */
export class Admission implements Job, DeadlineEntry<Admission> {
  readonly route: StreamRoute;
  readonly client: Socket;
  /** As it was sent, before the pipes. */
  readonly data: unknown;
  readonly ack: Ack | undefined;
  private readonly callback: WsMessageHandler['callback'];
  private state: (typeof STATE)[keyof typeof STATE];
  /** Whether it came to the gate, with guards and pipes behind it. */
  private hasPassed: boolean;
  private turn: ClientQueue | null;
  /** Of what interceptors made of it. */
  private result: Subscription | null;
  // its place among those whose time is running; an object of its own for each message would be one too many
  readonly item: Admission;
  due: number;
  queue: DeadlineQueue<Admission> | null;
  previous: DeadlineEntry<Admission> | null;
  next: DeadlineEntry<Admission> | null;

  /** @param callback Nest's handler, bound to the client. */
  constructor(
    route: StreamRoute,
    client: Socket,
    callback: WsMessageHandler['callback'],
    data: unknown,
    ack: Ack | undefined,
  ) {
    this.route = route;
    this.client = client;
    this.data = data;
    this.ack = ack;
    this.callback = callback;
    this.state = STATE.WAITING;
    this.hasPassed = false;
    this.turn = null;
    this.result = null;
    this.item = this;
    this.due = 0;
    this.queue = null;
    this.previous = null;
    this.next = null;
  }

  start(queue: ClientQueue): void {
    this.state = STATE.RUNNING;
    this.turn = queue;
    this.route.deadlines.schedule(this);
    const { quick } = this.route;
    if (quick === null) void this.run();
    else void this.runQuickly(quick);
  }

  get limit(): number {
    return this.route.settings.queue.limit;
  }

  replaces(older: Job): boolean {
    return this.route.settings.queue.overflow === 'dropOldest' && isAdmission(older) && older.route === this.route;
  }

  overflown(queue: ClientQueue): void {
    this.route.overflown(this, queue);
  }

  /** What the gate does with a message that came as far as this. */
  admit(value: unknown): void {
    // its time was over before the guards and pipes were done with it; its sender has been told
    if (this.state === STATE.DONE) return;
    this.hasPassed = true;
    this.route.admit(this, value);
  }

  /** The time for guards, interceptors and pipes is over. */
  expire(): void {
    if (this.state === STATE.DONE) return;
    this.route.timedOut(this, this.hasPassed);
    // a client that has gone is not waited for any longer: each of the others might take as long
    if (this.client.connected === false) this.turn!.drop(isAdmission);
    this.done();
  }

  /** Tells the sender that its message did not come into the stream. */
  refuse(code: string, message: string): void {
    this.route.report(new WsException({ status: 'error', code, message }), this);
  }

  private async run(): Promise<void> {
    try {
      const result: unknown = await this.callback(this.data, this.ack, this);
      if (isObservable(result)) {
        this.follow(result);
        return;
      }
      // interceptors would have the gate run later
      if (this.hasPassed) this.route.withoutInterceptors();
    } catch (error) {
      // an exception filter of the application has thrown
      this.route.logger.error(error);
    }
    this.done();
  }

  /** Passes guards and pipes where it is known that there are no interceptors. */
  private async runQuickly(quick: QuickPipeline): Promise<void> {
    try {
      const { value } = await quick(this.client, this.data, this.ack, this.route.event);
      this.admit(value);
    } catch (error) {
      this.route.report(asRefusal(error), this);
    }
    this.done();
  }

  /** With interceptors the gate runs when their result is subscribed; what comes out of it is nobody's. */
  private follow(result: Observable<unknown>): void {
    if (this.state === STATE.DONE) return;
    const subscription = result.subscribe({
      error: (error: unknown) => {
        this.route.logger.error(error);
        this.done();
      },
      complete: () => this.done(),
    });
    this.result = subscription.closed ? null : subscription;
  }

  private done(): void {
    if (this.state === STATE.DONE) return;
    this.state = STATE.DONE;
    this.route.deadlines.cancel(this);
    // what it would still do is for nobody, and might go on for ever
    this.result?.unsubscribe();
    this.turn!.done();
  }
}

/** The gate's parameter. `@internal` to the decorator. */
export const AdmissionParameter = createParamDecorator((_data: unknown, context: ExecutionContext): unknown =>
  // behind client, data and acknowledgement
  context.getArgByIndex<unknown>(3),
);

function isAdmission(job: Job): job is Admission {
  return job instanceof Admission;
}
