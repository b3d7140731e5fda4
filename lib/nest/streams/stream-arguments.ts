import type { ExternalContextCreator } from '@nestjs/core';
import type { Observable } from 'rxjs';
import type { Socket } from 'socket.io';
import { handlerParameters, isWsParameter, NEST_METADATA } from '../nest-metadata.js';
import type { StreamDefinition } from './stream-definition.js';

type Arguments = unknown[];

/** Makes the arguments for a call of a stream method; a promise of them where a decorator of the application has a say. */
export type ArgumentsOf = (stream: Observable<unknown>, client: Socket | null) => Arguments | Promise<Arguments>;

/** Nest's way to fill parameters, with their pipes; guards, interceptors and filters are not for a call without a message. */
const ONLY_PARAMETERS = { guards: false, interceptors: false, filters: false };

/** @param contexts Nest's own, for parameters with decorators that are not Nest's. */
export function argumentsOf(
  instance: object,
  { index, methodKey, event }: StreamDefinition,
  contexts: ExternalContextCreator,
): ArgumentsOf {
  const prototype = Object.getPrototypeOf(instance) as object;
  const parameters = Object.entries(handlerParameters(prototype, methodKey));
  const sockets = parameters.filter(([name]) => isWsParameter(name, 'socket')).map(([, parameter]) => parameter);
  if (sockets.length === parameters.length && sockets.every(({ pipes }) => !pipes?.length)) {
    const length = Math.max(index, ...sockets.map((socket) => socket.index)) + 1;
    return (stream, client) => {
      const filled = Array<unknown>(length).fill(undefined);
      for (const socket of sockets) filled[socket.index] = client;
      filled[index] = stream;
      return filled;
    };
  }
  const collect = (...filled: unknown[]): unknown[] => filled;
  const socketOf = { exchangeKeyForValue: (_type: number, _data: unknown, args: unknown[]) => args[0] };
  const makeFill = () =>
    contexts.create(
      instance as Record<string, any>,
      collect,
      methodKey,
      NEST_METADATA.parameters,
      socketOf as never,
      undefined,
      undefined,
      ONLY_PARAMETERS,
      'ws',
    );
  // not before the first call: global pipes may be set after the adapter
  let fill: ReturnType<typeof makeFill> | undefined;
  return async (stream, client) => {
    fill ??= makeFill();
    const filled = (await fill(client, undefined, undefined, event)) as Arguments;
    filled[index] = stream;
    return filled;
  };
}
