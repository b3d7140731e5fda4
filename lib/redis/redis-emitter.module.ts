import { ConfigurableModuleBuilder, Module, type DynamicModule } from '@nestjs/common';
import { EmittersModule } from '../nest/emitters/emitters.module.js';
import { REDIS_EMITTER_OPTIONS, RedisEmitters, type RedisEmitterOptions } from './redis-emitters.js';

const { ConfigurableModuleClass, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<RedisEmitterOptions>({
    moduleName: 'RedisEmitter',
    optionsInjectionToken: REDIS_EMITTER_OPTIONS,
  })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createRedisEmitterOptions')
    .build();

/**
 * Emitters (`@InjectEmitter()`) for a process that serves no clients: a worker, a cron job, a command. They reach the clients
 * of all nodes that scale out over the same Redis with the same `keyPrefix`, answers and lists of clients included:
 *
 * ```ts
 * @Module({ imports: [RedisEmitterModule.forRoot({ url: 'redis://redis:6379' })], providers: [Announcer] })
 * class WorkerModule {}
 *
 * const worker = await NestFactory.createApplicationContext(WorkerModule);
 * ```
 *
 * Instead of `NestwireModule`, not besides it. The application waits for Redis before it has started; close it, so that what
 * was sent has left.
 */
@Module({})
export class RedisEmitterModule extends ConfigurableModuleClass {
  static override forRoot(options: typeof OPTIONS_TYPE): DynamicModule {
    return withEmitters(super.forRoot(options));
  }

  static override forRootAsync(options: typeof ASYNC_OPTIONS_TYPE): DynamicModule {
    return withEmitters(super.forRootAsync(options));
  }
}

/** The emitters are made in a module of their own, which has to see the options. */
function withEmitters(module: DynamicModule): DynamicModule {
  const imports = [...(module.imports ?? []), EmittersModule.from(RedisEmitters)];
  return { ...module, global: true, imports, exports: [...(module.exports ?? []), REDIS_EMITTER_OPTIONS] };
}
