import type { ExceptionFilter, Type } from '@nestjs/common';
import type { Gateway } from './gateways.js';
import { exceptionFilters, filterCatches } from './nest-metadata.js';

/**
 * The filter that takes an exception of a gateway's hook: the first that catches it, methods before classes and the last
 * one named first, as Nest asks them for messages. Nest 12.1 asks none for hooks. Request-scoped filters are passed over;
 * there is no request to make them for.
 */
export function findHookFilter(gateway: Gateway, hook: unknown, exception: unknown): ExceptionFilter | undefined {
  const named = [...exceptionFilters(gateway.metatype), ...(typeof hook === 'function' ? exceptionFilters(hook) : [])];
  for (const one of named.toReversed()) {
    const filter = resolve(gateway, one);
    if (filter !== undefined && catches(filter, exception)) return filter;
  }
  return undefined;
}

function resolve({ module }: Gateway, filter: unknown): ExceptionFilter | undefined {
  const wrapper = typeof filter === 'function' ? module.injectables.get(filter) : undefined;
  if (wrapper !== undefined && !wrapper.isDependencyTreeStatic()) return undefined;
  const instance: unknown = wrapper?.instance ?? filter;
  return typeof (instance as Partial<ExceptionFilter> | null)?.catch === 'function'
    ? (instance as ExceptionFilter)
    : undefined;
}

/** The filter of the whole application that takes an exception: of several the last one named, as in Nest. */
export function findGlobalFilter(filters: readonly ExceptionFilter[], exception: unknown): ExceptionFilter | undefined {
  return filters.findLast((filter) => catches(filter, exception));
}

function catches(filter: ExceptionFilter, exception: unknown): boolean {
  const types: readonly Type[] = filterCatches(filter);
  return types.length === 0 || types.some((type) => exception instanceof type);
}
