import type { Type } from '@nestjs/common';
import type { ModulesContainer } from '@nestjs/core';

/** What one of our modules provides to the application; undefined when the application does not import it. */
export function findProvider<T>(modules: ModulesContainer | undefined, type: Type<T>): T | undefined {
  for (const { providers } of modules?.values() ?? []) {
    const instance: unknown = providers.get(type)?.instance;
    if (instance instanceof type) return instance;
  }
  return undefined;
}
