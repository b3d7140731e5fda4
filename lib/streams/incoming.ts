import type { Socket } from 'socket.io';

/**
 * One message of a client that has passed guards and pipes: an element of a stream in gateway scope, and in client scope of
 * one with `ack: 'manual'`.
 */
export interface Incoming<T = unknown> {
  /** Who sent it. */
  readonly client: Socket;
  /** What was sent, as the pipes left it. */
  readonly data: T;
  /**
   * Answers the message, if its sender asked for an acknowledgement; otherwise, and from the second call on, does nothing. With
   * `ack: 'auto'` the message was answered when it was admitted. Needs no `this`.
   */
  readonly ack: (...answer: unknown[]) => void;
}
