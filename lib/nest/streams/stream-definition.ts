import type { PipeTransform } from '@nestjs/common';
import { MetadataScanner } from '@nestjs/core';
import {
  copyMetadata,
  handlerParameters,
  isMessageHandler,
  isWsParameter,
  methodPipes,
  parameterTypes,
  setHandlerParameters,
  setMethodPipes,
  setParameterTypes,
  unmarkMessageHandler,
} from '../nest-metadata.js';
import { messageStreamsOf } from '../decorators/message-stream.decorator.js';
import type { StreamOptions } from './stream-options.js';

/** What `@SubscribeStream` wrote about a method. */
export interface StreamDefinition {
  readonly event: string;
  readonly options: StreamOptions;
  /** The prototype of the class that has the method; gateways may inherit it. */
  readonly prototype: object;
  /** Name of the gate, which is that of the method in the source. */
  readonly key: string;
  /** Name under which the method itself is kept. */
  readonly methodKey: string;
  /** Name under which is kept what Nest has to know to run the pipes of a message, and no more. */
  readonly pipedKey: string;
  /** Place of the parameter that gets the stream. */
  readonly index: number;
  /** For messages: `BoardGateway.strokes()`. */
  readonly name: string;
}

const METADATA = Symbol('nestwire.stream');

/** Makes a function known as the gate of a stream, which works only when {@link prepareGate} has been there. */
export function setStreamDefinition(gate: object, definition: StreamDefinition): void {
  Reflect.defineMetadata(METADATA, definition, gate);
  setMethodPipes(gate, [...methodPipes(gate), new UnpreparedPipe(definition.name)]);
}

/** What a function is the gate of; undefined for any other function. */
export function streamDefinitionOf(method: object): StreamDefinition | undefined {
  return Reflect.getMetadata(METADATA, method) as StreamDefinition | undefined;
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
  const definitions = handlers.map((handler) => streamDefinitionOf(handler) ?? null);
  return definitions.some((definition) => definition !== null) ? definitions : [];
}

/**
 * @throws TypeError for a method that has a stream among its parameters and is none: it lacks `@SubscribeStream()`, or a decorator
 *   above that one has put a function of its own in the place of the gate.
 */
export function refuseHalfStreams(gateway: object): void {
  const methods = gateway as Record<string, object>;
  for (const name of new MetadataScanner().getAllMethodNames(gateway)) {
    let owner = gateway;
    while (!Object.hasOwn(owner, name)) owner = Object.getPrototypeOf(owner) as object;
    if (messageStreamsOf(owner.constructor, name).length > 0 && streamDefinitionOf(methods[name]!) === undefined)
      throw new TypeError(`${owner.constructor.name}.${name}() has a @MessageStream(), but is no @SubscribeStream()`);
  }
}

/**
 * Finishes what a decorator cannot: those above it come later. Pipes of the method are for the message, so they go to that
 * parameter of the gate; in a handler with several parameters each of them would run through all. To be done before Nest makes
 * the handlers; done again, for another application or a subclass, it changes nothing.
 */
export function prepareGate({ prototype, key, methodKey, pipedKey }: StreamDefinition): void {
  const methods = prototype as Record<string, object>;
  const gate = methods[key]!;
  const pipes = methodPipes(gate).filter((pipe) => !(pipe instanceof UnpreparedPipe));
  setMethodPipes(gate, []);
  // what parameter decorators of the application read from the handler
  copyMetadata(gate, methods[methodKey]!);
  unmarkMessageHandler(methods[methodKey]!);
  const parameters = Object.entries(handlerParameters(prototype, key)).map(
    ([name, parameter]) =>
      [
        name,
        isWsParameter(name, 'payload') ? { ...parameter, pipes: [...pipes, ...(parameter.pipes ?? [])] } : parameter,
      ] as const,
  );
  setHandlerParameters(prototype, key, Object.fromEntries(parameters));
  const message = parameters.filter(([name]) => isWsParameter(name, 'payload'));
  setHandlerParameters(prototype, pipedKey, Object.fromEntries(message));
  setParameterTypes(prototype, pipedKey, parameterTypes(prototype, key)?.slice(0, 1));
}

/**
 * Stands among the pipes of a gate that nobody has prepared. Nest looks at pipes when it makes the handlers, so an application whose
 * adapter knows nothing of streams fails at its start, and not at its first message.
 */
class UnpreparedPipe implements PipeTransform {
  constructor(private readonly name: string) {}

  get transform(): never {
    throw unservedStream(this.name);
  }
}

/** A stream, but no adapter that serves it. */
export function unservedStream(name: string): Error {
  return new Error(`${name} is a stream, which needs a NestwireAdapter that was made with the application`);
}
