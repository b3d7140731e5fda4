/** A node in a process of its own, on the built package: it can be killed, and would end over a rejection that nobody handles. */
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { NestwireAdapter, NestwireModule } from 'nestwire';
import { redisScaleOut } from 'nestwire/redis';

const { scaleOut, options } = JSON.parse(process.argv[2]);

class Gateway {
  afterInit(server) {
    this.server = server;
  }

  join(client, rooms) {
    client.data.joined = rooms;
    client.join(rooms);
    return 'joined';
  }

  say(_client, text) {
    this.server.emit('said', text);
    // requests go by another way than broadcasts
    this.server.timeout(100).emit('question', () => undefined);
    this.server.serverSideEmit('told', text);
  }

  ack(_client, data) {
    return `${data}!`;
  }
}
for (const name of ['join', 'say', 'ack']) {
  SubscribeMessage(name)(Gateway.prototype, name, Object.getOwnPropertyDescriptor(Gateway.prototype, name));
}
WebSocketGateway()(Gateway);

class AppModule {}
Module({
  imports: [NestwireModule.forRoot({ ...options, scaleOut: redisScaleOut(scaleOut) })],
  providers: [Gateway],
})(AppModule);

const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
app.useWebSocketAdapter(new NestwireAdapter(app));
app.enableShutdownHooks();
await app.listen(0, '127.0.0.1');
process.stdout.write(`listening: ${app.getHttpServer().address().port}\n`);
