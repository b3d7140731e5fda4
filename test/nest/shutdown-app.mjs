/**
 * A whole Nest application in a process of its own, on the built package. Says what happens in lines on stdout; its
 * gateways fail on request.
 */
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { NestwireAdapter } from 'nestwire';

const say = (line) => process.stdout.write(`${line}\n`);
const options = JSON.parse(process.argv[2]);

class Gateway {
  handleConnection(client) {
    const { fail } = client.handshake.auth;
    if (fail === 'throw') throw new Error('thrown by handleConnection');
    if (fail === 'reject') return Promise.reject(new Error('rejected by handleConnection'));
    return undefined;
  }

  handleDisconnect(client, reason) {
    const { fail } = client.handshake.auth;
    say(`gone: ${reason}`);
    if (fail === 'throw at the end') throw new Error('thrown by handleDisconnect');
    if (fail === 'reject at the end') return Promise.reject(new Error('rejected by handleDisconnect'));
    return new Promise((resolve) => setTimeout(resolve, 100)).then(() => say('cleaned up'));
  }

  alive() {
    return 'alive';
  }

  onApplicationShutdown(signal) {
    say(`shut down: ${signal}`);
  }
}
SubscribeMessage('alive')(Gateway.prototype, 'alive', Object.getOwnPropertyDescriptor(Gateway.prototype, 'alive'));
WebSocketGateway()(Gateway);

class AppModule {}
Module({ providers: [Gateway] })(AppModule);

const app = await NestFactory.create(AppModule, ...(options.platform === 'fastify' ? [new FastifyAdapter()] : []), {
  logger: ['error', 'warn'],
  forceCloseConnections: options.force,
});
app.useWebSocketAdapter(new NestwireAdapter(app));
app.enableShutdownHooks();
await app.listen(0, '127.0.0.1');
say(`listening: ${app.getHttpServer().address().port}`);
