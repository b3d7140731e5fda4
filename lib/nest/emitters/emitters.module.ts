import { Module, type DynamicModule, type Provider, type Type } from '@nestjs/common';
import type { ModulesContainer } from '@nestjs/core';
import { findProvider } from '../find-provider.js';
import { ApplicationEmitters, EmitterSource } from './application-emitters.js';
import { requestedEmitters, type ResolvedAddress } from './emitter-tokens.js';

/** Provides, to all modules of an application, the emitters that `@InjectEmitter()` and `getEmitterToken()` have asked for. */
@Module({})
export class EmittersModule {
  /** @param source what makes them; a provider of this module. */
  static from(source: Type<EmitterSource>): DynamicModule {
    return {
      module: EmittersModule,
      global: true,
      // read when Nest makes the application, and by then all that is not loaded lazily has asked
      get providers(): Provider[] {
        return [{ provide: EmitterSource, useClass: source }, ...[...requestedEmitters()].map(emitterProvider)];
      },
      get exports(): string[] {
        return [...requestedEmitters().keys()];
      },
    };
  }
}

function emitterProvider([token, address]: [string, ResolvedAddress]): Provider {
  return { provide: token, inject: [EmitterSource], useFactory: (source: EmitterSource) => source.of(address) };
}

/** The emitters of an application; undefined when it has none, or another source of them. */
export function findApplicationEmitters(modules: ModulesContainer): ApplicationEmitters | undefined {
  return findProvider(modules, ApplicationEmitters, EmitterSource);
}
