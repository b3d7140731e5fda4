import { isNativeError } from 'node:util/types';
import type { ArgumentsHost } from '@nestjs/common';
import { ackErrorPayload, errorPayload, withCause } from './error-payload.js';
import { emitAnswer, type AnsweredClient } from './emit-answer.js';
import { serverContextOf } from './server-context.js';

/** An acknowledgement function of socket.io. */
export type Ack = ((...args: unknown[]) => void) & { [ANSWERED]?: true };

/** On an acknowledgement that has been used: socket.io drops a second answer silently. */
const ANSWERED = Symbol('nestwire.answered');

/** Remembers that an acknowledgement has been used. */
export function markAnswered(ack: Ack): void {
  ack[ANSWERED] = true;
}

/** An acknowledgement that remembers its use, for handlers that answer themselves. */
export function rememberAnswer(ack: Ack): Ack {
  const remembering: Ack = (...args) => {
    remembering[ANSWERED] = true;
    ack(...args);
  };
  return remembering;
}

/** Whether an acknowledgement can still carry an answer. */
export function isOpen(ack: Ack): boolean {
  return ack[ANSWERED] !== true;
}

/** The acknowledgement that can still carry an answer, if the sender asked for one. */
export function openAck(host: ArgumentsHost): Ack | undefined {
  const ack = host.getArgByIndex<Ack | undefined>(2);
  return typeof ack === 'function' && isOpen(ack) ? ack : undefined;
}

/**
 * Answers a message whose handling failed, from an exception filter: by its acknowledgement if the sender asked for one
 * and has not got it yet, else by an `exception` event.
 *
 * @param payload an exception, which is told as Nestwire tells it without a filter, and is not logged; anything else is
 *   sent as it is.
 * @throws Error outside of WebSocket messages.
 */
export function replyError(host: ArgumentsHost, payload: unknown): void {
  if (host.getType() !== 'ws') throw new Error(`replyError() answers WebSocket messages, not "${host.getType()}"`);
  if (isNativeError(payload)) replyException(host, payload);
  else reply(host, openAck(host), payload);
}

/** Answers a message with what clients may know of an exception, whatever was thrown. */
export function replyException(host: ArgumentsHost, exception: unknown): void {
  const ack = openAck(host);
  const payload = ack === undefined ? errorPayload(exception) : ackErrorPayload(exception);
  const includeCause = serverContextOf(host.switchToWs().getClient())?.includeCause;
  reply(host, ack, includeCause ? withCause(payload, exception, host) : payload);
}

function reply(host: ArgumentsHost, ack: Ack | undefined, payload: unknown): void {
  if (ack !== undefined) {
    markAnswered(ack);
    ack(payload);
    return;
  }
  const client = host.switchToWs().getClient<AnsweredClient>();
  if (client.connected !== false) emitAnswer(client, 'exception', payload);
}
