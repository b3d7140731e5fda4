import { Module } from '@nestjs/common';
import { RedisEmitterModule } from 'nestwire/redis';
import { Announcer } from './announcer.js';

@Module({
  imports: [RedisEmitterModule.forRootAsync({ useFactory: () => ({ url: process.env.REDIS_URL }) })],
  providers: [Announcer],
})
export class WorkerModule {}
