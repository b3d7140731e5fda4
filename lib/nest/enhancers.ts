import type { Provider, Type } from '@nestjs/common';
import { ModuleRef, ModulesContainer } from '@nestjs/core';
import { InvalidOptionError } from '../engine/index.js';
import { isDefaultScope } from './nest-metadata.js';
import type { NestwireOptions } from './nestwire-options.js';
import { NESTWIRE_OPTIONS } from './nestwire.module-definition.js';

/** A guard or a filter that an option or a decorator names: a class that Nest makes, or an instance. */
export type Enhancer<T> = Type<T> | T;

/** Options that name guards or filters for the whole application, and the method that makes a class one. */
const ENHANCER_OPTIONS = { filters: 'catch', connectionGuards: 'canActivate' } as const;

/** Name of such an option. */
type EnhancerOption = keyof typeof ENHANCER_OPTIONS;

/** Where the ones are kept that no module provides and `NestwireModule` has made, by their class. */
const MADE_ENHANCERS = Symbol('nestwire.enhancers');

/** Makes, in the context of `NestwireModule`, the classes of its options that are no provider of any module. */
export const enhancersProvider: Provider = {
  provide: MADE_ENHANCERS,
  inject: [{ token: NESTWIRE_OPTIONS, optional: true }, ModuleRef, ModulesContainer],
  useFactory: async (options: NestwireOptions | undefined, moduleRef: ModuleRef, modules: ModulesContainer) => {
    const made = new Map<unknown, object>();
    for (const option of Object.keys(ENHANCER_OPTIONS) as EnhancerOption[]) {
      for (const one of namedBy(option, options?.[option])) {
        if (typeof one !== 'function' || made.has(one) || findProvider(modules, one) !== undefined) continue;
        // in the order in which they are named, in case one has to do with another
        // oxlint-disable-next-line no-await-in-loop
        made.set(one, await make(option, one as Type<object>, moduleRef));
      }
    }
    return made;
  },
};

/**
 * The guards or filters of an option, as instances, in the order in which they are named.
 *
 * @throws InvalidOptionError that names what is neither, and classes that are not there.
 */
export function resolveEnhancers<T extends object>(
  option: EnhancerOption,
  value: unknown,
  modules: ModulesContainer | undefined,
): readonly T[] {
  return namedBy(option, value).map((one) => {
    const instance = typeof one === 'function' ? find(option, one as Type, modules) : one;
    return checked<T>(instance, ENHANCER_OPTIONS[option], (problem) => {
      throw new InvalidOptionError(option, `names ${nameOf(one)}, which ${problem}`);
    });
  });
}

/** Nest's record of a provider or an enhancer. */
type Wrapper = NonNullable<ReturnType<typeof findProvider>>;

/** The provider of a class, in whichever module. */
export function findProvider(modules: ModulesContainer, type: Function) {
  for (const { providers } of modules.values()) {
    const wrapper = providers.get(type as Type);
    if (wrapper !== undefined) return wrapper;
  }
  return undefined;
}

/** What is wrong with a wrapper whose one instance is to serve everybody; undefined for one that can. */
export function scopeProblem(wrapper: Pick<Wrapper, 'isTransient' | 'isDependencyTreeStatic'>): string | undefined {
  if (wrapper.isDependencyTreeStatic() && !wrapper.isTransient) return undefined;
  return 'is not of the default scope, or needs something that is request-scoped; one instance has to serve everybody';
}

/** Gives back what has the method, and reports the rest. */
export function checked<T extends object>(value: unknown, method: string, report: (problem: string) => never): T {
  if (typeof (value as Record<string, unknown> | null | undefined)?.[method] === 'function') return value as T;
  return report(`has no ${method}() method`);
}

/** How an error at start calls a guard or a filter. */
export function nameOf(one: unknown): string {
  if (typeof one === 'function') return one.name || 'a class without a name';
  if (typeof one !== 'object' || one === null) return String(one);
  const { name } = (Object.getPrototypeOf(one) as { constructor?: Function } | null)?.constructor ?? {};
  return name === undefined || name === 'Object' ? 'an object' : `an instance of ${name}`;
}

function namedBy(option: EnhancerOption, value: unknown): readonly unknown[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new InvalidOptionError(option, 'must be a list of classes and instances');
  return value as unknown[];
}

function find(option: EnhancerOption, type: Type, modules: ModulesContainer | undefined): unknown {
  const refuse = (problem: string): never => {
    throw new InvalidOptionError(option, `names ${nameOf(type)}, which ${problem}`);
  };
  if (modules === undefined) {
    return refuse('is a class: an adapter that was made without the application takes instances only');
  }
  const wrapper = findProvider(modules, type);
  if (wrapper !== undefined) {
    const problem = scopeProblem(wrapper);
    return problem === undefined ? wrapper.instance : refuse(problem);
  }
  for (const { providers } of modules.values()) {
    const made = providers.get(MADE_ENHANCERS)?.instance as Map<unknown, object> | undefined;
    if (made?.has(type)) return made.get(type);
  }
  return refuse(
    'is not a provider of any module: add it to the providers of one, name it in NestwireModule instead of the ' +
      'adapter, or give an instance',
  );
}

async function make(option: EnhancerOption, type: Type<object>, moduleRef: ModuleRef): Promise<object> {
  const refuse = (problem: string, cause?: unknown): never => {
    throw Object.assign(new InvalidOptionError(option, `names ${nameOf(type)}, which ${problem}`), { cause });
  };
  if (!isDefaultScope(type)) return refuse('is not of the default scope; one instance has to serve everybody');
  try {
    return await moduleRef.create(type);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return refuse(
      `NestwireModule cannot make (make it a provider of a module that has what it needs): ${reason}`,
      error,
    );
  }
}
