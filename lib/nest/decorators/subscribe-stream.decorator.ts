import { MessageBody, SubscribeMessage } from '@nestjs/websockets';
import { isObservable, type Observable } from 'rxjs';
import type { EventsMap } from '../../streams/events-map.js';
import {
  copyMetadata,
  isWsParameter,
  ownHandlerParameters,
  parameterTypes,
  setHandlerParameters,
  setParameterTypes,
} from '../nest-metadata.js';
import { Admission, AdmissionParameter } from '../streams/admission.js';
import {
  setStreamDefinition,
  streamDefinitionOf,
  unservedStream,
  type StreamDefinition,
} from '../streams/stream-definition.js';
import { checkStreamOptions, type StreamOptions } from '../streams/stream-options.js';
import { messageStreamsOf } from './message-stream.decorator.js';

/** A method that may be decorated: what it returns is sent; nothing, when it subscribes to its stream itself. */
export type StreamMethod = (...args: any[]) => Observable<unknown> | Promise<Observable<unknown> | void> | void;

/**
 * Makes a method of a gateway the receiver of a stream of messages. It is called once for each client that connects (or once in
 * all, with `scope: 'gateway'`) with an Observable of what arrives under this event, each element after the guards,
 * interceptors and pipes that would run for a `@SubscribeMessage`. What the Observable that it returns emits is sent.
 *
 * ```ts
 * @SubscribeStream('stroke')
 * strokes(@MessageStream(StrokeDto) stroke$: Observable<StrokeDto>): Observable<WsResponse<StrokeDto[]>> {
 *   return stroke$.pipe(bufferTime(50), filter((s) => s.length > 0), map((data) => ({ event: 'strokes', data })));
 * }
 * ```
 *
 * With an event map (`SubscribeStream<BoardEvents>('stroke')`) an event that is not in it does not compile.
 *
 * @throws TypeError on a method without a `@MessageStream()` parameter, or with one that a stream cannot have.
 * @throws InvalidOptionError
 */
export function SubscribeStream<Events extends EventsMap = any>(
  event: keyof Events & string,
  options: StreamOptions = {},
) {
  return <M extends StreamMethod>(
    target: object,
    key: string | symbol,
    descriptor: TypedPropertyDescriptor<M>,
  ): void => {
    const owner = target.constructor;
    const name = `${owner.name}.${String(key)}()`;
    const method = descriptor.value;
    if (typeof target !== 'object' || typeof key !== 'string' || typeof method !== 'function')
      throw new TypeError(`@SubscribeStream('${event}') is for methods of gateways, and ${name} is none`);
    if (streamDefinitionOf(method) !== undefined)
      throw new TypeError(`${name} has @SubscribeStream() twice; a method is one stream, of one event`);
    checkStreamOptions(options, name);
    const [stream, ...others] = messageStreamsOf(owner, key);
    if (stream === undefined || others.length > 0)
      throw new TypeError(`${name} is a stream of "${event}" and needs one parameter with @MessageStream()`);
    const parameters = ownHandlerParameters(target, key);
    refuseParameters(name, parameters, options);

    // the method itself stays reachable under another name, with the parameters that are for Nest to fill
    const methodKey = `${key}:stream`;
    Object.defineProperty(target, methodKey, { value: method, writable: true, configurable: true });
    setHandlerParameters(target, methodKey, parameters);
    setParameterTypes(target, methodKey, parameterTypes(target, key));

    const pipedKey = `${key}:message`;
    const { index } = stream;
    const definition = { event, options, prototype: target, key, methodKey, pipedKey, index, name };
    const gate = makeGate(method, definition);
    copyMetadata(method, gate);
    Object.defineProperty(gate, 'name', { value: method.name, configurable: true });
    descriptor.value = gate as unknown as M;
    setHandlerParameters(target, key, {});
    setParameterTypes(target, key, [stream.type ?? Object, Object]);
    const { schema, pipes } = stream;
    MessageBody({ pipes: [...pipes], ...(schema === undefined ? {} : { schema: schema as never }) })(target, key, 0);
    AdmissionParameter()(target, key, 1);
    SubscribeMessage(event)(target, key, descriptor);
    setStreamDefinition(gate, definition);
  };
}

/** What Nest calls for each message, with what the pipes made of it. */
function makeGate(method: StreamMethod, { index, name }: StreamDefinition): (...args: unknown[]) => unknown {
  return function gate(this: unknown, ...args) {
    const admission = args[1];
    if (admission instanceof Admission) return admission.admit(args[0]);
    // by a subclass that overrides the method, or by a test of the class; what clients send is no Observable
    if (isObservable(args[index])) return method.apply(this, args);
    throw unservedStream(name);
  };
}

function refuseParameters(name: string, parameters: Record<string, object>, { scope }: StreamOptions): void {
  for (const parameter of Object.keys(parameters)) {
    if (isWsParameter(parameter, 'payload'))
      throw new TypeError(`${name} is a stream: its messages come by @MessageStream(), not by @MessageBody()`);
    if (isWsParameter(parameter, 'ack'))
      throw new TypeError(`${name} is a stream: it answers by Incoming.ack, with { ack: 'manual' }, not by @Ack()`);
    if (scope === 'gateway' && isWsParameter(parameter, 'socket'))
      throw new TypeError(`${name} is a stream of all clients: there is no @ConnectedSocket(); see Incoming.client`);
  }
}
