import { WsException } from '@nestjs/websockets';
import type { WsMessageHandler } from '@nestjs/common';
import type { Socket } from 'socket.io';
import { deadlineEntry, type DeadlineEntry, type DeadlineQueue } from '../engine/deadlines.js';
import { HookArgumentsHost } from './hook-arguments-host.js';
import type { RouteTable } from './route-table.js';
import type { Ack } from './reply-error.js';
import type { ClientQueue, Job } from './streams/client-queue.js';
import { DEFAULT_QUEUE_LIMIT } from './streams/stream-options.js';
import { wsErrorsFilter } from './ws-errors.filter.js';

/**
 * One message for an ordinary handler, where the handlers of a client run one after the other (`ordering: 'client'`). The next
 * one begins when its result is there; of an Observable, with its first value or its end.
 */
export class HandlerCall implements Job {
  readonly limit = DEFAULT_QUEUE_LIMIT;
  private queue: ClientQueue | null = null;
  private readonly deadline: DeadlineEntry<HandlerCall>;

  constructor(
    private readonly table: RouteTable,
    private readonly client: Socket,
    private readonly event: string,
    private readonly index: number,
    private readonly callback: WsMessageHandler['callback'],
    private readonly data: unknown,
    private readonly ack: Ack | undefined,
    private readonly deadlines: DeadlineQueue<HandlerCall>,
  ) {
    this.deadline = deadlineEntry<HandlerCall>(this);
  }

  replaces(): boolean {
    return false;
  }

  /** Tells the sender that its message was not handled. */
  overflown(queue: ClientQueue): void {
    if (this.ack === undefined) {
      // a flood must not be answered by another one
      if (queue.isOverflowing) return;
      queue.isOverflowing = true;
    }
    const message = `too many messages at a time`;
    const exception = new WsException({ status: 'error', code: 'queue_full', message });
    wsErrorsFilter.catch(exception, new HookArgumentsHost(this.client, this.event, this.data, this.ack));
  }

  start(queue: ClientQueue): void {
    this.queue = queue;
    this.deadlines.schedule(this.deadline);
    void this.table.handle(this.client, this.index, this.callback, this.data, this.ack, this.done);
  }

  /** It has taken so long that the next one must not wait any more. It goes on. */
  expire(): void {
    this.done();
  }

  private readonly done = (): void => {
    const { queue } = this;
    if (queue === null) return;
    this.queue = null;
    this.deadlines.cancel(this.deadline);
    queue.done();
  };
}
