import type { Incoming } from './incoming.js';

/**
 * Under which the `ack` of a message has what tells of a failure. Whoever makes the messages sets it, for streams know nothing
 * of exception filters; it stands on `ack` because that survives when an operator makes a new object of a message.
 */
export const FAIL = Symbol('nestwire.fail');

/** Tells the sender of a message that its handling failed, and whoever else should know. */
export type Fail = (message: Incoming, error: unknown) => void;

/** Nobody has worked on a message to its end, for a reason that its sender may know. */
export class UnansweredError extends Error {
  constructor(
    readonly code: 'queue_full' | 'stream_ended',
    message: string,
  ) {
    super(message);
  }
}

/** Tells the sender of a message that its handling failed: as its gateway does, for a message that came through one. */
export function fail(message: Incoming, error: unknown): void {
  const tell = (message.ack as { [FAIL]?: Fail })[FAIL];
  // without one it was made by hand, as in tests
  if (tell === undefined) message.ack(payloadOf(error));
  else tell(message, error);
}

/** The text of an error that was not thrown for clients is nobody's business outside. */
function payloadOf(error: unknown): object {
  if (error instanceof UnansweredError) return { status: 'error', code: error.code, message: error.message };
  return { status: 'error', message: 'Internal server error' };
}
