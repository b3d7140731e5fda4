import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import { Module, type DynamicModule, type INestApplication, type Type, type WebSocketAdapter } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { Server as SocketIoServer } from 'socket.io';
import type { WebSocketServer } from 'ws';
import { echoGateway, type EchoGateway } from './gateway.js';
import { HOST, type News, type Peer } from './peer.js';

// Each adapter is imported only where it is used, so that no server carries another one's code in its heap.
const adapters: Record<string, (app: INestApplication, redis: string) => Promise<WebSocketAdapter>> = {
  'platform-socket.io': async (app) => new (await import('@nestjs/platform-socket.io')).IoAdapter(app),
  'platform-ws': async (app) => new (await import('@nestjs/platform-ws')).WsAdapter(app),
  nestwire: async (app) => new (await import('nestwire')).NestwireAdapter(app),
  'platform-socket.io-redis': redisIoAdapter,
  'nestwire-redis': async (app) => new (await import('nestwire')).NestwireAdapter(app),
};

// The same messages with the same guard and pipe, through a handler and through a stream.
const gateways: Record<string, () => Promise<Type<EchoGateway<SocketIoServer>>>> = {
  'nestwire-handler': async () => (await import('./stream-gateway.js')).HandlerGateway,
  'nestwire-stream': async () => (await import('./stream-gateway.js')).StreamGateway,
};

/** Names of the adapters that `startNest` knows. */
export const NEST_PEERS = [...Object.keys(adapters), ...Object.keys(gateways)];

/** What Nest's documentation does for several nodes, with the adapter that ours is built on. */
async function redisIoAdapter(app: INestApplication, url: string): Promise<WebSocketAdapter> {
  const [{ IoAdapter }, { createAdapter }, { createClient }] = await Promise.all([
    import('@nestjs/platform-socket.io'),
    import('@socket.io/redis-streams-adapter'),
    import('redis'),
  ]);
  const client = createClient({ url });
  await client.connect();
  return new (class extends IoAdapter {
    override createIOServer(...args: Parameters<InstanceType<typeof IoAdapter>['createIOServer']>) {
      const server = super.createIOServer(...args);
      // its types are those of another copy of socket.io
      (server as { adapter(adapter: unknown): unknown }).adapter(createAdapter(client));
      return server;
    }

    override async dispose(): Promise<void> {
      await super.dispose();
      client.destroy();
    }
  })(app);
}

async function modules(name: string, url: string): Promise<DynamicModule[]> {
  if (name !== 'nestwire-redis') return [];
  const [{ NestwireModule }, { redisScaleOut }] = await Promise.all([import('nestwire'), import('nestwire/redis')]);
  return [NestwireModule.forRoot({ scaleOut: redisScaleOut({ url, relay: { host: HOST } }) })];
}

/** Serves the one gateway of the benchmark through the adapter of that name, on Express, as most applications do. */
export async function startNest(name: string, handlers: number, redis = ''): Promise<Peer> {
  const Gateway = (await gateways[name]?.()) ?? echoGateway<SocketIoServer | WebSocketServer>(handlers);

  @Module({ imports: await modules(name, redis), providers: [Gateway] })
  class AppModule {}

  const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
  app.useWebSocketAdapter(await adapters[name in gateways ? 'nestwire' : name](app, redis));
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
