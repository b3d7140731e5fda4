import { from, type ObservableInput, type Subscription } from 'rxjs';
import type { BroadcastOperator, Namespace } from 'socket.io';
import type { Recipients } from '../streams/outgoing.js';
import { SlowReaders, type SlowReaderBudget, type SlowReaderPolicy } from '../streams/slow-readers.js';
import type { EmitterTarget } from './emitter-target.js';

/** How a source is sent. */
export interface PipeOptions {
  /**
   * Bytes that may wait for a client of this node, and what happens to what comes beyond that. Without it only the engine's own
   * limit counts (`limits.maxBufferedBytes`), at which a client is disconnected.
   */
  readonly slowReaders?: SlowReaderBudget;
}

/** To whom values go. */
export interface PipeEnd {
  readonly recipients: Recipients;
  /** The namespace now; null while nobody can be reached. */
  namespace(): Namespace | null;
  /** What sends to them now; null while nobody can be reached. */
  operator(): BroadcastOperator<any, any> | null;
}

const POLICIES: readonly SlowReaderPolicy[] = ['drop', 'latest', 'disconnect'];

/** @throws TypeError for a budget that is none. */
export function checkPipeOptions({ slowReaders }: PipeOptions): void {
  if (slowReaders === undefined) return;
  const { bytes, policy } = slowReaders;
  if (typeof bytes !== 'number' || !(bytes >= 0) || !POLICIES.includes(policy))
    throw new TypeError(`slowReaders needs bytes (a number of 0 or more) and policy (${POLICIES.join(', ')})`);
}

/** Sends what a source emits, as long as its target is open. */
export function pipeTo(
  target: EmitterTarget,
  event: string,
  source$: ObservableInput<unknown>,
  { slowReaders }: PipeOptions,
  end: PipeEnd,
): Subscription {
  const warn = (text: string): void => target.warn(`pipe("${event}"): ${text}`);
  const readers = slowReaders && new SlowReaders(slowReaders, { dropped() {}, warn });
  const send = (value: unknown): void => {
    let operator = end.operator();
    if (operator === null) return;
    if (readers !== undefined) {
      const clients = end.namespace()?.sockets.values() ?? [];
      const slow = readers.holdBackFrom([...clients], null, end.recipients, event, value);
      if (slow.length > 0) operator = operator.except(slow);
    }
    if (value === undefined) operator.emit(event);
    else operator.emit(event, value);
  };
  const value$ = from(source$);
  return target.whileOpen((open) => {
    const fail = (error: unknown): void => {
      target.failed(error);
      open.unsubscribe();
    };
    return value$.subscribe({
      next: (value) => {
        // a source that emits while it is subscribed to is not ended by `open`
        if (open.closed) return;
        try {
          send(value);
        } catch (error) {
          fail(error); // data that cannot be encoded
        }
      },
      error: fail,
      complete: () => open.unsubscribe(),
    });
  });
}
