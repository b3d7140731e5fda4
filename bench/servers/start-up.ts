/**
 * A Nest application as small as one with a gateway can be: `node start-up.js <adapter>`. Says that it listens, and ends when
 * the parent does. Nothing of the benchmark is loaded before that.
 */
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ADAPTERS } from './adapters.js';
import { echoGateway } from './gateway.js';

const [name = ''] = process.argv.slice(2);
const Gateway = echoGateway<unknown>(1);

@Module({ providers: [Gateway] })
class AppModule {}

const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
const adapter = await ADAPTERS[name]?.(app, {});
if (adapter === undefined) throw new Error(`no such adapter: ${name}`);
app.useWebSocketAdapter(adapter);
await app.listen(0, '127.0.0.1');
const { user, system } = process.cpuUsage();
process.send!({ ready: { cpu: user + system } });
process.on('disconnect', () => process.exit());
