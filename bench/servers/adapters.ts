import type { INestApplication, WebSocketAdapter } from '@nestjs/common';
import type { ServerOptions } from './options.js';

type MakeAdapter = (app: INestApplication, options: ServerOptions) => Promise<WebSocketAdapter>;

// Each adapter is imported only where it is used, so that no server carries another one's code in its heap.
/** The WebSocket adapters that Nest peers are named after. */
export const ADAPTERS: Record<string, MakeAdapter> = {
  'platform-socket.io': async (app) => new (await import('@nestjs/platform-socket.io')).IoAdapter(app),
  'platform-ws': async (app) => new (await import('@nestjs/platform-ws')).WsAdapter(app),
  nestwire,
  'platform-socket.io-redis': redisIoAdapter,
  'nestwire-redis': nestwire,
};

async function nestwire(app: INestApplication, { nestwire: options }: ServerOptions): Promise<WebSocketAdapter> {
  return new (await import('nestwire')).NestwireAdapter(app, options);
}

/** What Nest's documentation does for several nodes, with the adapter that ours is built on. */
async function redisIoAdapter(app: INestApplication, { redis: url = '' }: ServerOptions): Promise<WebSocketAdapter> {
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
