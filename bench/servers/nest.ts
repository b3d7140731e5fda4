import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import { Module, type DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { Server as SocketIoServer } from 'socket.io';
import type { WebSocketServer } from 'ws';
import { ADAPTERS } from './adapters.js';
import type { EchoGateway } from './gateway.js';
import { gatewayFor } from './gateways.js';
import type { ServerOptions } from './options.js';
import { HOST, type News, type Peer } from './peer.js';
import { tally } from './tally.js';

async function modules(name: string, url = ''): Promise<DynamicModule[]> {
  if (name !== 'nestwire-redis') return [];
  const [{ NestwireModule }, { redisScaleOut }] = await Promise.all([import('nestwire'), import('nestwire/redis')]);
  return [NestwireModule.forRoot({ scaleOut: redisScaleOut({ url, relay: { host: HOST } }) })];
}

/** Serves one gateway through the adapter of that name, on Express, as most applications do. */
export async function startNest(name: string, options: ServerOptions): Promise<Peer> {
  const makeAdapter = ADAPTERS[name];
  if (makeAdapter === undefined) throw new Error(`no such peer: ${name}`);
  const Gateway = await gatewayFor(options);

  @Module({ imports: await modules(name, options.redis), providers: [Gateway] })
  class AppModule {}

  const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
  app.useWebSocketAdapter(await makeAdapter(app, options));
  await app.listen(0, HOST);
  const { server } = app.get<EchoGateway<SocketIoServer | WebSocketServer>>(Gateway);
  const { port } = app.getHttpServer().address() as AddressInfo;
  return {
    port,
    tally,
    close: () => app.close(),
    ...('engine' in server ? ofSocketIo(server) : ofWs(server as WebSocketServer)),
  };
}

/** How a user of socket.io broadcasts and counts. */
export function ofSocketIo(server: SocketIoServer): Pick<Peer, 'broadcast' | 'clients' | 'forwarded'> {
  // stock's has no such numbers
  const engine = server.engine as { stats?: () => { relay?: { forwarded: number } } };
  return {
    forwarded: () => engine.stats?.().relay?.forwarded ?? 0,
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
