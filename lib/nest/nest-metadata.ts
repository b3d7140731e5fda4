import { Scope, type Type } from '@nestjs/common';

/**
 * Metadata keys that Nest 12 writes and does not export. `test/nest/nest-metadata.spec.ts` pins each of them to the
 * decorator that writes it.
 */
export const NEST_METADATA = {
  /** `@WebSocketGateway()`: true on the class. */
  gateway: 'websockets:is_gateway',
  /** `@WebSocketGateway(port)`: the port, 0 for the application's own HTTP server. */
  gatewayPort: 'port',
  /** `@WebSocketGateway(options)`: the options. */
  gatewayOptions: 'websockets:gateway_options',
  /** `@UseFilters()`: filters of a class or a method, instances and classes. */
  exceptionFilters: '__exceptionFilters__',
  /** `@Catch()`: the types a filter class catches; none for all. */
  filterCatches: '__filterCatchExceptions__',
  /** `@SubscribeMessage()`: true on the method. */
  messageHandler: 'websockets:message_mapping',
  /** `@UsePipes()`: pipes of a class or a method, instances and classes. */
  pipes: '__pipes__',
  /** Decorators of parameters: what they say, by kind and place, on the class for the name of the method. */
  parameters: '__routeArguments__',
  /** What the compiler says of parameters: their types, on the prototype for the name of the method. */
  parameterTypes: 'design:paramtypes',
  /** `@Injectable()` and `@Catch()`: the scope of a class, if it names one. */
  injectableOptions: 'scope:options',
} as const;

/** Kinds of parameters as Nest numbers them, in front of the place: `3:0` is the message as the first parameter. */
const WS_PARAMETERS = { socket: '0:', payload: '3:', ack: '13:' } as const;

/** Options as a gateway's decorator names them. */
export type GatewayDecoratorOptions = Record<string, unknown> & { namespace?: string | RegExp; path?: string };

/** Whether a class is decorated with `@WebSocketGateway()`, itself or by inheritance, as Nest decides it. */
export function isGateway(target: object): boolean {
  return Reflect.hasMetadata(NEST_METADATA.gateway, target);
}

/** The port a gateway names; 0 for the application's own HTTP server. */
export function gatewayPort(target: object): number {
  return (Reflect.getMetadata(NEST_METADATA.gatewayPort, target) as number | undefined) || 0;
}

/** The options a gateway names. */
export function gatewayOptions(target: object): GatewayDecoratorOptions {
  return (Reflect.getMetadata(NEST_METADATA.gatewayOptions, target) as GatewayDecoratorOptions | undefined) ?? {};
}

/** Filters of a class or a method, in the order in which Nest keeps them: the last one is asked first. */
export function exceptionFilters(target: object): readonly unknown[] {
  return (Reflect.getMetadata(NEST_METADATA.exceptionFilters, target) as unknown[] | undefined) ?? [];
}

/** Replaces the filters of a class, for this class only and not for the one it inherits from. */
export function setExceptionFilters(target: object, filters: readonly unknown[]): void {
  Reflect.defineMetadata(NEST_METADATA.exceptionFilters, filters, target);
}

/** What a filter catches; empty for everything. */
export function filterCatches(filter: object): readonly Type[] {
  return (Reflect.getMetadata(NEST_METADATA.filterCatches, filter.constructor) as Type[] | undefined) ?? [];
}

/** Whether one instance of a class may serve everybody, as far as the class says. */
export function isDefaultScope(target: object): boolean {
  const options = Reflect.getMetadata(NEST_METADATA.injectableOptions, target) as { scope?: Scope } | undefined;
  return (options?.scope ?? Scope.DEFAULT) === Scope.DEFAULT;
}

/** Copies everything that decorators have written about one function to another that takes its place. */
export function copyMetadata(from: object, to: object): void {
  for (const key of Reflect.getMetadataKeys(from)) Reflect.defineMetadata(key, Reflect.getMetadata(key, from), to);
}

/** Whether a method handles messages. */
export function isMessageHandler(method: unknown): method is object {
  return typeof method === 'function' && Reflect.getMetadata(NEST_METADATA.messageHandler, method) === true;
}

/** Makes a method one that handles no messages, whatever else was said about it. */
export function unmarkMessageHandler(method: object): void {
  Reflect.deleteMetadata(NEST_METADATA.messageHandler, method);
}

/** Pipes of a method, in the order in which they run. */
export function methodPipes(method: object): readonly unknown[] {
  return (Reflect.getMetadata(NEST_METADATA.pipes, method) as unknown[] | undefined) ?? [];
}

/** Replaces the pipes of a method. */
export function setMethodPipes(method: object, pipes: readonly unknown[]): void {
  Reflect.defineMetadata(NEST_METADATA.pipes, pipes, method);
}

/** What decorators of parameters have said, by kind and place. */
export type HandlerParameters = Record<string, { readonly index: number; readonly pipes?: readonly unknown[] }>;

/** The decorated parameters of a method, its own or inherited. */
export function handlerParameters(prototype: object, key: string): HandlerParameters {
  return parametersOf(prototype.constructor, key);
}

/** Those that the method itself has where it overrides one: Nest adds them to what was said about the other. */
export function ownHandlerParameters(prototype: object, key: string): HandlerParameters {
  const inherited = parametersOf(Object.getPrototypeOf(prototype.constructor) as object | null, key);
  const entries = Object.entries(parametersOf(prototype.constructor, key));
  return Object.fromEntries(entries.filter(([name, parameter]) => inherited[name] !== parameter));
}

function parametersOf(owner: object | null, key: string): HandlerParameters {
  return (owner && (Reflect.getMetadata(NEST_METADATA.parameters, owner, key) as HandlerParameters | undefined)) ?? {};
}

/** Says which parameters of a method Nest is to fill. */
export function setHandlerParameters(prototype: object, key: string, parameters: HandlerParameters): void {
  Reflect.defineMetadata(NEST_METADATA.parameters, parameters, prototype.constructor, key);
}

/** Whether a decorated parameter is of a kind. @param name as {@link handlerParameters} names it. */
export function isWsParameter(name: string, kind: keyof typeof WS_PARAMETERS): boolean {
  return name.startsWith(WS_PARAMETERS[kind]);
}

/** The types of a method's parameters; none where the compiler did not say them. */
export function parameterTypes(prototype: object, key: string): readonly unknown[] | undefined {
  return Reflect.getMetadata(NEST_METADATA.parameterTypes, prototype, key) as unknown[] | undefined;
}

/** Says what the types of a method's parameters are. */
export function setParameterTypes(prototype: object, key: string, types: readonly unknown[] | undefined): void {
  if (types !== undefined) Reflect.defineMetadata(NEST_METADATA.parameterTypes, types, prototype, key);
}
