import type { Type } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { isGateway } from './nest-metadata.js';
import type { NestwireOptions } from './nestwire-options.js';
import { NESTWIRE_OPTIONS } from './nestwire.module-definition.js';

/** Nest's own record of a module. */
export type NestModuleRef = ModulesContainer extends Map<string, infer M> ? M : never;

/** One gateway of an application. */
export interface Gateway {
  readonly metatype: Type;
  /** The gateway; for a request-scoped one the object that stands in for it, with the class's prototype. */
  readonly instance: Record<PropertyKey, unknown>;
  /** Whether one instance serves all clients; a request-scoped gateway is made anew for each. */
  readonly isStatic: boolean;
  readonly module: NestModuleRef;
}

/** All gateways of an application, as Nest finds them. */
export function findGateways(modules: ModulesContainer): Gateway[] {
  const gateways: Gateway[] = [];
  for (const module of modules.values()) {
    for (const wrapper of module.providers.values()) {
      const { metatype } = wrapper;
      if (wrapper.isNotMetatype || typeof metatype !== 'function' || !isGateway(metatype)) continue;
      gateways.push({
        metatype: metatype as Type,
        // a preview of the application makes no instances
        instance: (wrapper.instance ?? Object.create(metatype.prototype as object)) as Gateway['instance'],
        isStatic: wrapper.isDependencyTreeStatic(),
        module,
      });
    }
  }
  return gateways;
}

/**
 * The options that `NestwireModule` brought into the application; none without it. Looked up where the providers are
 * kept, since `app.get()` of what is not there ends the process of an application that `NestFactory` made.
 *
 * @throws Error when the module was imported with two different sets of options.
 */
export function findModuleOptions(modules: ModulesContainer): NestwireOptions {
  const found = new Set<NestwireOptions>();
  for (const { providers } of modules.values()) {
    const wrapper = providers.get(NESTWIRE_OPTIONS);
    if (wrapper !== undefined) found.add(wrapper.instance as NestwireOptions);
  }
  if (found.size > 1) {
    throw new Error(
      'NestwireModule is configured more than once. Call forRoot() or forRootAsync() in one module only.',
    );
  }
  return [...found][0] ?? {};
}
