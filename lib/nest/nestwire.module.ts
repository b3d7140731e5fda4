import { Module, type DynamicModule } from '@nestjs/common';
import { ApplicationScaleOut } from './application-scale-out.js';
import { ApplicationEmitters } from './emitters/application-emitters.js';
import { EmittersModule } from './emitters/emitters.module.js';
import { enhancersProvider } from './enhancers.js';
import { ConfigurableModuleClass, type ASYNC_OPTIONS_TYPE, type OPTIONS_TYPE } from './nestwire.module-definition.js';

/**
 * Brings the options of Nestwire into the application: `NestwireModule.forRoot({ … })`, or `forRootAsync` with
 * `useFactory` and `inject`, or with `useClass` or `useExisting` of a class with `createNestwireOptions()`. The adapter
 * finds them there. With them come the emitters of `@InjectEmitter()`, for all modules.
 */
@Module({ providers: [enhancersProvider, ApplicationScaleOut] })
export class NestwireModule extends ConfigurableModuleClass {
  static override forRoot(options: typeof OPTIONS_TYPE): DynamicModule {
    return withEmitters(super.forRoot(options));
  }

  static override forRootAsync(options: typeof ASYNC_OPTIONS_TYPE): DynamicModule {
    return withEmitters(super.forRootAsync(options));
  }
}

function withEmitters(module: DynamicModule): DynamicModule {
  return { ...module, imports: [...(module.imports ?? []), EmittersModule.from(ApplicationEmitters)] };
}
