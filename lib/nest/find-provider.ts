import type { InjectionToken, Type } from '@nestjs/common';
import type { ModulesContainer } from '@nestjs/core';

/**
 * What one of our modules provides to the application; undefined when the application does not import it.
 *
 * @param token under which it is provided; default: its class.
 */
export function findProvider<T>(
  modules: ModulesContainer | undefined,
  type: Type<T>,
  token: InjectionToken = type,
): T | undefined {
  for (const { providers } of modules?.values() ?? []) {
    const instance: unknown = providers.get(token)?.instance;
    if (instance instanceof type) return instance;
  }
  return undefined;
}
