import { MetadataScanner } from '@nestjs/core';
import {
  copyMetadata,
  handlerParameters,
  isMessageHandler,
  isWsParameter,
  methodPipes,
  setHandlerParameters,
  setMethodPipes,
  unmarkMessageHandler,
} from '../nest-metadata.js';
import type { StreamOptions } from './stream-options.js';

/** What `@SubscribeStream` wrote about a method. */
export interface StreamDefinition {
  readonly event: string;
  readonly options: StreamOptions;
  /** Name of the gate, which is that of the method in the source. */
  readonly key: string;
  /** Name under which the method itself is kept. */
  readonly methodKey: string;
  /** Place of the parameter that gets the stream. */
  readonly index: number;
  /** For messages: `BoardGateway.strokes()`. */
  readonly name: string;
}

const METADATA = Symbol('nestwire.stream');

/** Makes a function known as the gate of a stream. */
export function setStreamDefinition(gate: object, definition: StreamDefinition): void {
  Reflect.defineMetadata(METADATA, definition, gate);
}

/**
 * The message handlers of a gateway in the order in which Nest hands them over: for each the stream whose gate it is, or null
 * for an ordinary one. Empty when there is no stream among them.
 */
export function streamDefinitions(prototype: object): readonly (StreamDefinition | null)[] {
  const handlers = new MetadataScanner()
    .getAllMethodNames(prototype)
    .map((name) => (prototype as Record<string, unknown>)[name])
    .filter(isMessageHandler);
  const definitions = handlers.map(
    (handler) => (Reflect.getMetadata(METADATA, handler) as StreamDefinition | undefined) ?? null,
  );
  return definitions.some((definition) => definition !== null) ? definitions : [];
}

/**
 * Finishes what a decorator cannot: those above it come later. Pipes of the method are for the message, so they go to that
 * parameter of the gate; in a handler with several parameters each of them would run through all. To be done before Nest makes
 * the handlers.
 */
export function prepareGate(prototype: object, { key, methodKey }: StreamDefinition): void {
  const methods = prototype as Record<string, object>;
  const gate = methods[key]!;
  // what parameter decorators of the application read from the handler
  copyMetadata(gate, methods[methodKey]!);
  unmarkMessageHandler(methods[methodKey]!);
  const pipes = methodPipes(gate);
  if (pipes.length === 0) return;
  const parameters = Object.entries(handlerParameters(prototype, key)).map(
    ([name, parameter]) =>
      [
        name,
        isWsParameter(name, 'payload') ? { ...parameter, pipes: [...pipes, ...(parameter.pipes ?? [])] } : parameter,
      ] as const,
  );
  setHandlerParameters(prototype, key, Object.fromEntries(parameters));
  setMethodPipes(gate, []);
}
