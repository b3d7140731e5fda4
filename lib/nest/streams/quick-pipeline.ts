import { ForbiddenException } from '@nestjs/common';
import type { ExternalContextCreator } from '@nestjs/core';
import { WsException } from '@nestjs/websockets';
import type { Socket } from 'socket.io';
import type { Gateway } from '../gateways.js';
import { copyMetadata, NEST_METADATA } from '../nest-metadata.js';
import type { Ack } from '../reply-error.js';
import type { StreamDefinition } from './stream-definition.js';

/** What a message is after guards and pipes; boxed, since what a pipe makes of it may be an Observable. */
export interface Passed {
  readonly value: unknown;
}

/**
 * Guards and pipes of a gate, with no interceptors around them.
 *
 * The gate itself is told by a second argument whose message it is, because with interceptors it runs at a time of its own.
 * Nest runs every pipe over every argument, and the pipes over this one are more than half of what a stream costs over an
 * ordinary handler. Without interceptors it is enough to hand back what the pipes made.
 *
 * @throws whatever refuses the message.
 */
export type QuickPipeline = (client: Socket, data: unknown, ack: Ack | undefined, event: string) => Promise<Passed>;

const GUARDS_AND_PIPES = { guards: true, interceptors: false, filters: false };

/** What Nest throws for a guard that says no, where it does not know that the call is a message. */
const FORBIDDEN = 'Forbidden resource';

/** The message is what was sent, whole: `@MessageStream()` names no part of it. */
const PARAMETERS = { exchangeKeyForValue: (_type: number, _data: unknown, args: unknown[]): unknown => args[1] };

/**
 * Makes it, with Nest's own guards and pipes of the gate.
 *
 * @returns null for a gateway that Nest would not find by its instance: it would pass over the guards that it cannot find.
 */
export function quickPipeline(
  { instance, module, metatype }: Gateway,
  { key, pipedKey }: StreamDefinition,
  contexts: ExternalContextCreator,
): QuickPipeline | null {
  if (instance.constructor !== metatype || module.providers.get(metatype)?.instance !== instance) return null;
  const box = (value: unknown): Passed => ({ value });
  // guards and decorators read what was said about the handler
  copyMetadata(instance[key] as object, box);
  Object.defineProperty(box, 'name', { value: key, configurable: true });
  return contexts.create(
    instance as Record<string, any>,
    box,
    pipedKey,
    NEST_METADATA.parameters,
    PARAMETERS as never,
    undefined,
    undefined,
    GUARDS_AND_PIPES,
    'ws',
  ) as QuickPipeline;
}

/** An exception as it comes out of Nest's handlers for messages. */
export function asRefusal(exception: unknown): unknown {
  const isGuards = exception instanceof ForbiddenException && exception.message === FORBIDDEN;
  return isGuards ? new WsException(FORBIDDEN) : exception;
}
