import { createParamDecorator, type ExecutionContext, type WsMessageHandler } from '@nestjs/common';
import { WsException } from '@nestjs/websockets';
import { isObservable, type Observable } from 'rxjs';
import type { Socket } from 'socket.io';
import type { DeadlineEntry, DeadlineQueue } from '../../engine/deadlines.js';
import type { Ack } from '../reply-error.js';
import type { ClientQueue, Job } from './client-queue.js';
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
  private turn: ClientQueue | null;
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
    this.turn = null;
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
    void this.run();
  }

  /** What the gate does with a message that came as far as this. */
  admit(value: unknown): void {
    // its time was over before the guards and pipes were done with it; its sender has been told
    if (this.state === STATE.DONE) return;
    this.route.admit(this, value);
  }

  /** The time for guards and pipes is over. */
  expire(): void {
    if (this.state === STATE.DONE) return;
    this.route.timedOut(this);
    this.done();
  }

  /** Tells the sender that its message did not come into the stream. */
  refuse(code: string, message: string): void {
    this.route.report(new WsException({ status: 'error', code, message }), this);
  }

  private async run(): Promise<void> {
    try {
      const result: unknown = await this.callback(this.data, this.ack, this);
      // with an interceptor the gate runs when this is subscribed; what comes out of it is nobody's
      if (isObservable(result)) await ended(result);
    } catch (error) {
      // an exception filter of the application has thrown
      this.route.logger.error(error);
    }
    this.done();
  }

  private done(): void {
    if (this.state === STATE.DONE) return;
    this.state = STATE.DONE;
    this.route.deadlines.cancel(this);
    this.turn!.done();
  }
}

/** The gate's parameter. `@internal` to the decorator. */
export const AdmissionParameter = createParamDecorator((_data: unknown, context: ExecutionContext): unknown =>
  // behind client, data and acknowledgement
  context.getArgByIndex<unknown>(3),
);

function ended(results: Observable<unknown>): Promise<void> {
  return new Promise((resolve, reject) => results.subscribe({ error: reject, complete: resolve }));
}
