import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { Announcer } from './announcer.js';
import { WorkerModule } from './worker.module.js';

// REDIS_URL=redis://localhost:6379 node dist-sample/worker/main.js "Lunch is ready"
const worker = await NestFactory.createApplicationContext(WorkerModule, { logger: ['error', 'warn'] });
const clients = await worker.get(Announcer).announce(process.argv[2] ?? 'Hello from the worker');
console.log(`Announced to ${clients} clients`);
await worker.close();
