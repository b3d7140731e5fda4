import type { Type } from '@nestjs/common';

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
} as const;

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

/** Copies everything that decorators have written about one function to another that takes its place. */
export function copyMetadata(from: object, to: object): void {
  for (const key of Reflect.getMetadataKeys(from)) Reflect.defineMetadata(key, Reflect.getMetadata(key, from), to);
}
