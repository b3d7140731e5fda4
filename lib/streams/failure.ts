import type { Incoming } from './incoming.js';

/**
 * Under which the `ack` of a message has what tells its sender of a failure. Whoever makes the messages sets it, for streams know
 * nothing of exception filters; it stands on `ack` because that survives when an operator makes a new object of a message.
 */
export const FAIL = Symbol('nestwire.fail');

/** Tells the sender of a message that its handling failed, and whoever else should know. */
export type Fail = (message: Incoming, error: unknown) => void;

/** There was no room for a message; its text may be told to the sender. */
export class StreamOverflowError extends Error {
  override readonly name = 'StreamOverflowError';
}

/** Tells the sender of a message that its handling failed: as its gateway does, for a message that came through one. */
export function fail(message: Incoming, error: unknown): void {
  const tell = (message.ack as { [FAIL]?: Fail })[FAIL];
  if (tell !== undefined) tell(message, error);
  // made by hand, as in tests; the text of an error that was not thrown for clients is nobody's business outside
  else message.ack({ status: 'error', message: error instanceof StreamOverflowError ? error.message : UNKNOWN_ERROR });
}

const UNKNOWN_ERROR = 'Internal server error';
