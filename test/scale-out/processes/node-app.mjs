/**
 * One node of an application in a process of its own, on the built package. Its options come as JSON in the first argument;
 * it says in lines on stdout when it listens and which messages it has handled, and, for each line on stdin, its numbers.
 */
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { SubscribeMessage, WebSocketGateway, WebSocketServer } from '@nestjs/websockets';
import { NestwireAdapter, NestwireModule } from 'nestwire';
import { redisScaleOut } from 'nestwire/redis';

const { port, redis, scaleOut = {}, ...options } = JSON.parse(process.argv[2]);
const say = (line) => process.stdout.write(`${line}\n`);

/** What each client has sent so far. */
const counts = new WeakMap();

class Gateway {
  who() {
    return process.pid;
  }

  count(client, n) {
    const before = counts.get(client) ?? 0;
    counts.set(client, before + 1);
    return [n, before];
  }

  echo(_client, data) {
    return data;
  }

  /** Takes its time, as handlers that ask a database do. */
  async work(_client, id) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    say(`handled: ${id}`);
    return id;
  }

  broadcast(_client, data) {
    this.server.emit('said', data);
  }
}
WebSocketServer()(Gateway.prototype, 'server');
for (const name of ['who', 'count', 'echo', 'work', 'broadcast']) {
  SubscribeMessage(name)(Gateway.prototype, name, Object.getOwnPropertyDescriptor(Gateway.prototype, name));
}
WebSocketGateway()(Gateway);

class AppModule {}
Module({
  imports: [
    NestwireModule.forRoot({
      transports: ['websocket', 'eventsource', 'multipart', 'polling'],
      ...options,
      scaleOut: redisScaleOut({ url: redis, ...scaleOut, relay: { host: '127.0.0.1', ...scaleOut.relay } }),
    }),
  ],
  providers: [Gateway],
})(AppModule);

const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
app.useWebSocketAdapter(new NestwireAdapter(app));
app.enableShutdownHooks();
// a line on stdin asks for the numbers
process.stdin.on('data', () => say(`stats: ${JSON.stringify(app.get(Gateway).server.engine.stats())}`));
await app.listen(port, '127.0.0.1');
say(`listening: ${app.getHttpServer().address().port}`);
