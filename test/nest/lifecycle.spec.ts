/** Clients that come too early, and the end of an application with clients on it. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createConnection, type AddressInfo, type Server as NetServer } from 'node:net';
import { Injectable, type OnApplicationBootstrap, type OnModuleInit } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { SubscribeMessage, WebSocketGateway, WebSocketServer } from '@nestjs/websockets';
import { afterEach, describe, expect, it } from '@jest/globals';
import { NestwireAdapter, type Server, type Socket } from 'nestwire';
import {
  afterCase,
  cleanUp,
  client,
  connect,
  connectAndUpgrade,
  createApp,
  deferred,
  freePort,
  next,
  startApp,
  urlOf,
  type Platform,
} from './support.js';

afterEach(cleanUp);

@Injectable()
class SlowService implements OnModuleInit, OnApplicationBootstrap {
  readonly initialize = deferred();
  readonly bootstrap = deferred();
  ready = false;

  onModuleInit(): Promise<void> {
    return this.initialize.promise;
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.bootstrap.promise;
    this.ready = true;
  }
}

class EagerGateway {
  @WebSocketServer() server!: Server;
  readonly seen: boolean[] = [];

  constructor(private readonly service: SlowService) {}

  handleConnection(): void {
    this.seen.push(this.service.ready);
  }

  @SubscribeMessage('ready')
  ready(): boolean {
    return this.service.ready;
  }
}
Injectable()(EagerGateway);
Reflect.defineMetadata('design:paramtypes', [SlowService], EagerGateway);

describe('a client that connects before the application is ready', () => {
  it.each([
    ['a port of the gateway', true],
    ['an HTTP server that listens already', false],
  ])('is dropped, and served when it comes back: %s', async (_where, ownPort) => {
    class Gateway extends EagerGateway {}
    Reflect.defineMetadata('design:paramtypes', [SlowService], Gateway);
    const http = createServer();
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    const port = ownPort ? await freePort() : 0;
    WebSocketGateway(port)(Gateway);
    const testingModule = await Test.createTestingModule({ providers: [SlowService, Gateway] }).compile();
    const app = testingModule.createNestApplication({ logger: false });
    afterCase(async () => {
      await app.close();
      if (http.listening) await new Promise((resolve) => http.close(resolve));
    });
    app.useWebSocketAdapter(new NestwireAdapter(http, { app }));
    const service = app.get(SlowService);
    const initialized = app.init();

    const url = ownPort ? `http://127.0.0.1:${port}` : urlOf(http);
    const socket = client(url, { reconnection: true, reconnectionDelay: 10, reconnectionDelayMax: 20 });
    const early = next(socket, 'disconnect') as Promise<[string]>;
    socket.connect();
    expect((await early)[0]).toBe('transport close');
    const stillEarly = next(socket, 'disconnect') as Promise<[string]>;
    service.initialize.resolve();
    expect((await stillEarly)[0]).toBe('transport close');
    expect(app.get(Gateway).seen).toEqual([]);
    service.bootstrap.resolve();
    await initialized;
    // whatever was on its way when the application became ready
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop
      const ready = await socket
        .timeout(200)
        .emitWithAck('ready')
        .catch(() => null);
      if (ready === null) continue;
      expect(ready).toBe(true);
      break;
    }
    expect(new Set(app.get(Gateway).seen)).toEqual(new Set([true]));
  });

  it('is dropped by closeClient() in a way from which stock clients come back', async () => {
    let early = true;
    @WebSocketGateway()
    class Gateway {
      handleConnection(): void {}
    }
    // what Nest does after 12.1: it binds nothing to an early client, and has the adapter close it
    class LaterNest extends NestwireAdapter {
      override bindClientConnect(server: any, callback: Function): void {
        super.bindClientConnect(server, (socket: Socket) => (early ? this.closeClient(socket) : callback(socket)));
      }
    }
    const { url } = await startApp({ providers: [Gateway], adapter: (app) => new LaterNest(app) });
    for (const transports of [['websocket'], ['polling']]) {
      /* oxlint-disable no-await-in-loop */
      early = true;
      const socket = client(url, { transports, reconnection: true, reconnectionDelay: 10 });
      const gone = next(socket, 'disconnect') as Promise<[string]>;
      socket.connect();
      expect((await gone)[0]).toBe('transport close');
      early = false;
      await next(socket, 'connect');
      /* oxlint-enable no-await-in-loop */
    }
  });
});

@WebSocketGateway()
class QuietGateway {
  readonly reasons: (string | undefined)[] = [];
  readonly connected = deferred();

  handleConnection(): void {
    this.connected.resolve();
  }

  handleDisconnect(_client: Socket, reason?: string): void {
    this.reasons.push(reason);
  }
}

describe.each(['express', 'fastify'] as Platform[])('the end of an application on %s', (platform) => {
  it.each([
    ['waits for the HTTP server', false],
    ['forces connections to close', true],
  ])('is prompt with clients on every transport, when it %s', async (_how, forceCloseConnections) => {
    const options = { forceCloseConnections };
    const { app, url } = await startApp({ providers: [QuietGateway], platform, options });
    const sockets = [
      await connect(url, { transports: ['websocket'] }),
      // its poll is parked
      await connect(url, { transports: ['polling'] }),
      await connectAndUpgrade(url),
    ];
    const ends = sockets.map(async (socket) => ((await next(socket, 'disconnect')) as [string])[0]);
    const start = performance.now();
    await app.close();
    expect(performance.now() - start).toBeLessThan(4000);
    expect(await Promise.all(ends)).toEqual(['transport close', 'transport close', 'transport close']);
    expect(app.get(QuietGateway).reasons).toEqual(Array(3).fill('server shutting down'));
  });

  it('is prompt with a WebSocket client that answers nothing', async () => {
    const { app } = await startApp({ providers: [QuietGateway], platform });
    const { port } = (app.getHttpServer() as NetServer).address() as AddressInfo;
    const dead = createConnection(port, '127.0.0.1');
    const ended = once(dead, 'close');
    dead.write(
      'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
    await once(dead, 'data');
    // the text frame "40", masked with zeros: CONNECT; from here on it reads nothing any more
    dead.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x34, 0x30]));
    dead.pause();
    await app.get(QuietGateway).connected.promise;
    const start = performance.now();
    await app.close();
    expect(performance.now() - start).toBeLessThan(4000);
    dead.resume();
    await ended;
  });
});

describe('handlers', () => {
  it('are shared by all clients, and go with them', async () => {
    const clients: Socket[] = [];
    const gone = deferred<[number, number]>();
    @WebSocketGateway()
    class SharedGateway {
      handleConnection(socket: Socket): void {
        clients.push(socket);
      }

      handleDisconnect(socket: Socket): void {
        gone.resolve([socket.listeners('event').length, socket.listeners('disconnect').length]);
      }

      @SubscribeMessage('event')
      event(): void {}
    }
    @WebSocketGateway()
    class SecondGateway {
      @SubscribeMessage('event')
      event(): void {}
    }
    const { url } = await startApp({ providers: [SharedGateway, SecondGateway] });
    const socket = await connect(url);
    await connect(url);
    const [first, second] = clients.map((one) => one.listeners('event'));
    expect(first).toHaveLength(2);
    expect(first).toEqual(second);
    expect(first![0] === second![0] && first![1] === second![1] && first![0] !== first![1]).toBe(true);
    socket.disconnect();
    expect((await gone.promise)[0]).toBe(0);
    expect(clients[0]!.listeners('disconnect')).toEqual([]);
  });

  it('do not run when an earlier listener of the same message disconnects the client', async () => {
    const handled: string[] = [];
    const gone = deferred();
    @WebSocketGateway()
    class Gateway {
      handleConnection(socket: Socket): void {
        socket.on('event', () => socket.disconnect());
      }

      handleDisconnect(): void {
        gone.resolve();
      }

      @SubscribeMessage('event')
      event(): void {
        handled.push('event');
      }
    }
    const { url, logger } = await startApp({ providers: [Gateway] });
    (await connect(url)).emit('event');
    await gone.promise;
    await new Promise((resolve) => setImmediate(resolve));
    expect([handled, logger.errors]).toEqual([[], []]);
  });
});

describe('the adapter', () => {
  it('warns when recovery is asked to skip middlewares', async () => {
    const { logger } = await createApp({ providers: [QuietGateway] }).then(async ({ app, logger }) => {
      app.useWebSocketAdapter(
        new NestwireAdapter(app, { connectionStateRecovery: { skipMiddlewares: true, maxDisconnectionDuration: 1 } }),
      );
      await app.init();
      return { logger };
    });
    expect(logger.warnings).toEqual([expect.stringContaining('skipMiddlewares')]);
  });

  it('gives every server a port of its own when it has no HTTP server to share', async () => {
    const adapter = new NestwireAdapter();
    const server = adapter.create(0) as Server & { httpServer: NetServer };
    afterCase(() => adapter.close(server));
    if (!server.httpServer.listening) await once(server.httpServer, 'listening');
    expect(adapter.create(0, {})).toBe(server);
    expect((await connect(urlOf(server.httpServer))).connected).toBe(true);
  });

  it('closes a server once, and nothing else', async () => {
    const adapter = new NestwireAdapter();
    const server = adapter.create(0) as Server & { httpServer: NetServer };
    await adapter.close(server.of('/namespace'));
    await adapter.close(undefined);
    expect(server.httpServer.listening).toBe(true);
    await Promise.all([adapter.close(server), adapter.close(server)]);
    expect(server.httpServer.listening).toBe(false);
    const another = adapter.create(0) as Server;
    expect(another).not.toBe(server);
    await adapter.close(another);
    await adapter.dispose();
  });
});
