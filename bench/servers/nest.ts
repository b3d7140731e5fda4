import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import { Module, type INestApplication, type Type, type WebSocketAdapter } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { Server as SocketIoServer } from 'socket.io';
import type { WebSocketServer } from 'ws';
import { echoGateway, type EchoGateway } from './gateway.js';
import { HOST, type News, type Peer } from './peer.js';

// Each adapter is imported only where it is used, so that no server carries another one's code in its heap.
const adapters: Record<string, (app: INestApplication) => Promise<WebSocketAdapter>> = {
  'platform-socket.io': async (app) => new (await import('@nestjs/platform-socket.io')).IoAdapter(app),
  'platform-ws': async (app) => new (await import('@nestjs/platform-ws')).WsAdapter(app),
  nestwire: async (app) => new (await import('nestwire')).NestwireAdapter(app),
};

// The same messages with the same guard and pipe, through a handler and through a stream.
const gateways: Record<string, () => Promise<Type<EchoGateway<SocketIoServer>>>> = {
  'nestwire-handler': async () => (await import('./stream-gateway.js')).HandlerGateway,
  'nestwire-stream': async () => (await import('./stream-gateway.js')).StreamGateway,
};

/** Names of the adapters that `startNest` knows. */
export const NEST_PEERS = [...Object.keys(adapters), ...Object.keys(gateways)];

/** Serves the one gateway of the benchmark through the adapter of that name, on Express, as most applications do. */
export async function startNest(name: string, handlers: number): Promise<Peer> {
  const Gateway = (await gateways[name]?.()) ?? echoGateway<SocketIoServer | WebSocketServer>(handlers);

  @Module({ providers: [Gateway] })
  class AppModule {}

  const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
  app.useWebSocketAdapter(await adapters[name in gateways ? 'nestwire' : name](app));
  await app.listen(0, HOST);
  const { server } = app.get<EchoGateway<SocketIoServer | WebSocketServer>>(Gateway);
  const { port } = app.getHttpServer().address() as AddressInfo;
  return {
    port,
    close: () => app.close(),
    ...('engine' in server ? ofSocketIo(server) : ofWs(server as WebSocketServer)),
  };
}

/** How a user of socket.io broadcasts and counts. */
export function ofSocketIo(server: SocketIoServer): Pick<Peer, 'broadcast' | 'clients'> {
  return {
    broadcast: (payload: News) => void server.emit('news', payload),
    clients: () => server.engine.clientsCount,
  };
}

/** How a user of ws broadcasts and counts: encoded once, then a loop over the clients. */
export function ofWs(server: WebSocketServer): Pick<Peer, 'broadcast' | 'clients'> {
  return {
    broadcast: (payload: News) => {
      const text = JSON.stringify({ event: 'news', data: payload });
      for (const client of server.clients) client.send(text);
    },
    clients: () => server.clients.size,
  };
}
