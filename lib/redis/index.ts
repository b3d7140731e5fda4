export { RedisEmitterModule } from './redis-emitter.module.js';
export type { RedisEmitterOptions } from './redis-emitters.js';
export { redisScaleOut } from '../scale-out/redis/redis-scale-out.js';
export type {
  RedisClientSettings,
  RedisRecoveryOptions,
  RedisRelayOptions,
  RedisScaleOutOptions,
} from '../scale-out/redis/options.js';
export type { ScaleOut } from '../scale-out/scale-out.js';
