/** The same in CommonJS, where the compiler makes `require('nestwire')` of the import. */
import 'reflect-metadata';
import type { Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { NestwireAdapter, NestwireModule } from 'nestwire';
import { listen } from 'nestwire/engine';

@WebSocketGateway({ namespace: 'echo' })
class EchoGateway {
  @SubscribeMessage('echo')
  echo(@MessageBody() text: string): { text: string } {
    return { text };
  }
}

@Module({ imports: [NestwireModule.forRoot({})], providers: [EchoGateway] })
class AppModule {}

async function main(): Promise<void> {
  const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
  app.useWebSocketAdapter(new NestwireAdapter(app));
  app.enableShutdownHooks();
  await app.listen(0, '127.0.0.1');
  const { port } = (app.getHttpServer() as HttpServer).address() as AddressInfo;
  const engine = listen(0, {}, () => {
    engine.httpServer.unref();
    console.log(JSON.stringify({ port, enginePort: (engine.httpServer.address() as AddressInfo).port }));
  });
  engine.on('connection', (session) => session.on('message', (data: string | Buffer) => session.send(data)));
}

void main();
