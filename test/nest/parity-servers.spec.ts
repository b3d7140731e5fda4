/** Servers, namespaces, scopes and the life of a connection. Nest's own adapter is the oracle, as for messages. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { Controller, Get, Inject, Injectable, Scope, type INestApplication } from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { Test } from '@nestjs/testing';
import {
  ConnectedSocket,
  MessageBody,
  SubscribeMessage,
  WebSocketGateway,
  WebSocketServer,
  type OnGatewayConnection,
  type OnGatewayDisconnect,
  type OnGatewayInit,
} from '@nestjs/websockets';
import { afterEach, describe, expect, it } from '@jest/globals';
import { NestwireAdapter, type Server, type Socket } from 'nestwire';
import type { Namespace } from 'socket.io';
import { ADAPTERS, afterCase, cleanUp, client, connect, deferred, freePort, next, startApp, urlOf } from './support.js';

@Controller()
class HelloController {
  @Get('hello')
  hello(): string {
    return 'hello';
  }
}

@WebSocketGateway()
class RootGateway implements OnGatewayInit, OnGatewayConnection, OnGatewayDisconnect {
  @WebSocketServer() server!: Server;
  readonly initialized: unknown[] = [];
  readonly connections: string[] = [];
  readonly disconnects = deferred<[string, string | undefined, number]>();

  afterInit(server: Server): void {
    this.initialized.push(server);
  }

  handleConnection(client: Socket): void {
    this.connections.push(client.id);
  }

  handleDisconnect(...args: [client: Socket, reason?: string]): void {
    this.disconnects.resolve([args[0].id, args[1], args.length]);
  }

  @SubscribeMessage('where')
  where(@ConnectedSocket() client: Socket): string {
    return `root ${client.nsp.name}`;
  }

  @SubscribeMessage('everybody')
  everybody(@MessageBody() data: string): void {
    this.server.emit('everybody', data);
  }
}

@WebSocketGateway({ namespace: 'chat' })
class ChatGateway {
  @WebSocketServer() namespace!: Namespace;

  @SubscribeMessage('where')
  where(@ConnectedSocket() client: Socket): string {
    return `chat ${client.nsp.name} ${this.namespace.name}`;
  }
}

@WebSocketGateway({ namespace: '/chat' })
class SecondChatGateway {
  readonly connections: string[] = [];
  readonly gone = deferred<string | undefined>();

  handleConnection(client: Socket): void {
    this.connections.push(client.id);
  }

  handleDisconnect(_client: Socket, reason?: string): void {
    this.gone.resolve(reason);
  }

  @SubscribeMessage('second')
  second(): string {
    return 'second gateway';
  }
}

@WebSocketGateway({ namespace: /^\/room-\d+$/ })
class RoomGateway {
  @SubscribeMessage('where')
  where(@ConnectedSocket() client: Socket): string {
    return `room ${client.nsp.name}`;
  }
}

@WebSocketGateway({ path: '/other' })
class OtherPathGateway {
  @SubscribeMessage('where')
  where(): string {
    return 'other path';
  }
}

@Injectable({ scope: Scope.REQUEST })
class ClientState {
  count = 0;
  constructor(@Inject(REQUEST) readonly client: Socket) {}
}

@WebSocketGateway()
class ScopedGateway {
  @WebSocketServer() server!: Server;
  static readonly seen: string[] = [];

  constructor(@Inject(ClientState) private readonly state: ClientState) {}

  handleConnection(client: Socket): void {
    client.emit('welcome', [this.state.client.id, typeof this.server.emit]);
  }

  handleDisconnect(client: Socket): void {
    ScopedGateway.seen.push(client.id);
  }

  @SubscribeMessage('count')
  count(): [string, number] {
    return [this.state.client.id, ++this.state.count];
  }
}

describe.each(ADAPTERS)('servers of %s', (_name, adapter) => {
  afterEach(cleanUp);

  it.each(['express', 'fastify'] as const)('shares the HTTP server of %s', async (platform) => {
    const { url } = await startApp({ providers: [RootGateway], controllers: [HelloController], adapter, platform });
    expect(await (await fetch(`${url}/hello`)).text()).toBe('hello');
    for (const transports of [['websocket'], ['polling'], ['polling', 'websocket']]) {
      // oxlint-disable-next-line no-await-in-loop
      const socket = await connect(url, { transports });
      // oxlint-disable-next-line no-await-in-loop
      expect(await socket.emitWithAck('where')).toBe('root /');
    }
    expect((await fetch(`${url}/nothing`)).status).toBe(404);
  });

  it('tells a gateway its server, its clients and why they went', async () => {
    const { app, url } = await startApp({ providers: [RootGateway], adapter });
    const gateway = app.get(RootGateway);
    expect(gateway.initialized).toEqual([gateway.server]);
    const socket = await connect(url);
    const { id } = socket;
    expect(gateway.connections).toEqual([id]);
    const other = await connect(url);
    socket.emit('everybody', 'hi');
    expect(await Promise.all([next(socket, 'everybody'), next(other, 'everybody')])).toEqual(['hi', 'hi']);
    socket.disconnect();
    expect(await gateway.disconnects.promise).toEqual([id, 'client namespace disconnect', 2]);
  });

  it('serves several gateways on one server, by namespace, pattern and path', async () => {
    const providers = [RootGateway, ChatGateway, SecondChatGateway, RoomGateway, OtherPathGateway];
    const { app, url } = await startApp({ providers, adapter });
    expect(await (await connect(url)).emitWithAck('where')).toBe('root /');
    const chat = await connect(`${url}/chat`);
    expect(await chat.emitWithAck('where')).toBe('chat /chat /chat');
    expect(await chat.emitWithAck('second')).toBe('second gateway');
    expect(app.get(SecondChatGateway).connections).toEqual([chat.id]);
    expect(await (await connect(`${url}/room-7`)).emitWithAck('where')).toBe('room /room-7');
    expect(await (await connect(`${url}/room-8`)).emitWithAck('where')).toBe('room /room-8');
    await expect(connect(`${url}/room-x`)).rejects.toThrow('Invalid namespace');
    expect(await (await connect(url, { path: '/other' })).emitWithAck('where')).toBe('other path');
    chat.disconnect();
    expect(await app.get(SecondChatGateway).gone.promise).toBe('client namespace disconnect');
  });

  it('gives a gateway a port of its own, where everything else is 404', async () => {
    const port = await freePort();
    class PortGateway extends ChatGateway {}
    WebSocketGateway(port, { namespace: 'chat' })(PortGateway);
    const { url } = await startApp({ providers: [RootGateway, PortGateway], adapter });
    const own = `http://127.0.0.1:${port}`;
    expect(await (await connect(`${own}/chat`)).emitWithAck('where')).toBe('chat /chat /chat');
    expect((await fetch(own)).status).toBe(404);
    expect(await (await connect(url)).emitWithAck('where')).toBe('root /');
    await expect(connect(`${url}/chat`)).rejects.toThrow('Invalid namespace');
  });

  it('makes a request-scoped gateway for each client', async () => {
    const { url } = await startApp({ providers: [ScopedGateway, ClientState], adapter });
    const [first, second] = [await connect(url), await connect(url)];
    expect(await first.emitWithAck('count')).toEqual([first.id, 1]);
    expect(await first.emitWithAck('count')).toEqual([first.id, 2]);
    expect(await second.emitWithAck('count')).toEqual([second.id, 1]);
  });

  it('calls the hooks of request-scoped gateways with their server', async () => {
    const { url, app } = await startApp({ providers: [ScopedGateway, ClientState], adapter });
    const socket = client(url);
    const welcome = next(socket, 'welcome');
    socket.connect();
    expect(await welcome).toEqual([socket.id, 'function']);
    const { id } = socket;
    socket.disconnect();
    await app.close();
    expect(ScopedGateway.seen).toContain(id);
  });

  it('disconnects its clients when the application closes', async () => {
    const { app, url } = await startApp({ providers: [RootGateway], adapter });
    const socket = await connect(url);
    const gone = next(socket, 'disconnect');
    await app.close();
    expect(await gone).toEqual(expect.arrayContaining(['transport close']));
    expect((await app.get(RootGateway).disconnects.promise)[1]).toBe('server shutting down');
    await expect(connect(url)).rejects.toThrow();
  });

  it('closes twice without complaint', async () => {
    const { app } = await startApp({ providers: [RootGateway, ChatGateway], adapter });
    await app.close();
    await app.close();
  });

  it('closes an application that never listened', async () => {
    const testingModule = await Test.createTestingModule({ providers: [RootGateway, ChatGateway] }).compile();
    const app = testingModule.createNestApplication({ logger: false });
    app.useWebSocketAdapter(adapter(app));
    await app.init();
    await app.close();
  });

  it('leaves the HTTP server to Nest when connections are forced to close', async () => {
    const options = { forceCloseConnections: true };
    const { app, url } = await startApp({ providers: [RootGateway], controllers: [HelloController], adapter, options });
    const sockets = [await connect(url), await connect(url, { transports: ['polling'] })];
    const gone = sockets.map((socket) => next(socket, 'disconnect'));
    await app.close();
    await Promise.all(gone);
    expect(app.getHttpServer().listening).toBe(false);
  });
});

describe.each([
  ['IoAdapter', IoAdapter],
  ['NestwireAdapter', NestwireAdapter],
] as [string, new (appOrHttpServer?: object) => IoAdapter][])('%s as a base class', (_name, Base) => {
  afterEach(cleanUp);

  it('lets createIOServer() change options and the server', async () => {
    const made: unknown[] = [];
    class CustomAdapter extends Base {
      override createIOServer(port: number, options?: any): any {
        made.push([port, options.cors]);
        options.allowRequest = (_request: unknown, decide: (error: null, success: boolean) => void) =>
          decide(null, true);
        const server = super.createIOServer(port, { ...options, connectTimeout: 1234 }) as unknown as Server;
        server.use((socket, next) => (socket.handshake.auth['in'] ? next() : next(new Error('not in'))));
        return server;
      }
    }
    @WebSocketGateway({ cors: { origin: 'https://app.example' } })
    class CorsGateway extends RootGateway {}
    const { url } = await startApp({ providers: [CorsGateway], adapter: (app) => new CustomAdapter(app) });
    expect(made).toEqual([[0, { origin: 'https://app.example' }]]);
    await expect(connect(url)).rejects.toThrow('not in');
    expect(await (await connect(url, { auth: { in: true } })).emitWithAck('where')).toBe('root /');
  });

  it('lets createIOServer() set an adapter of socket.io, in a class with members of its own', async () => {
    const broadcasts: unknown[] = [];
    class BroadcastAdapter extends Base {
      protected readonly servers: Server[] = [];
      protected readonly hooks = 'own';
      protected readonly context = 'own';
      protected connecting = 'own';

      constructor(protected readonly app: INestApplication) {
        super(app);
      }

      override createIOServer(port: number, options?: any): any {
        const server = super.createIOServer(port, options) as unknown as Server;
        this.servers.push(server);
        const Adapter = server.adapter()!;
        server.adapter(
          class extends (Adapter as any) {
            broadcast(packet: { data: unknown[] }, opts: unknown): void {
              broadcasts.push(packet.data);
              super['broadcast'](packet, opts);
            }
          } as never,
        );
        return server;
      }
    }
    const { url } = await startApp({ providers: [RootGateway], adapter: (app) => new BroadcastAdapter(app) });
    const socket = await connect(url);
    socket.emit('everybody', 'hi');
    expect(await next(socket, 'everybody')).toBe('hi');
    expect(broadcasts).toEqual([['everybody', 'hi']]);
  });

  it('lets mapPayload() and bindMessageHandlers() be changed', async () => {
    class ChangedAdapter extends Base {
      override mapPayload(payload: unknown): { data: any; ack?: Function } {
        const mapped = super.mapPayload(payload);
        return { ...mapped, data: { wrapped: mapped.data } };
      }

      override bindMessageHandlers(socket: any, handlers: any[], transform: any): void {
        super.bindMessageHandlers(
          socket,
          handlers.filter(({ message }) => message !== 'hidden' || socket.handshake.auth.all),
          (result: unknown) => transform(Promise.resolve(result).then((value) => ({ transformed: value }))),
        );
      }
    }
    @WebSocketGateway()
    class EchoGateway {
      @SubscribeMessage('hidden')
      hidden(): string {
        return 'found';
      }

      @SubscribeMessage('echo')
      echo(@MessageBody() data: unknown): unknown {
        return data;
      }
    }
    const { url } = await startApp({ providers: [EchoGateway], adapter: (app) => new ChangedAdapter(app) });
    const some = await connect(url);
    const all = await connect(url, { auth: { all: true } });
    const answers: unknown[] = [];
    some.emit('hidden', 1, (answer: unknown) => answers.push(answer));
    expect(await some.emitWithAck('echo', 1)).toEqual({ transformed: { wrapped: 1 } });
    expect(await all.emitWithAck('hidden')).toEqual({ transformed: 'found' });
    expect(answers).toEqual([]);
  });

  it('serves on a bare HTTP server, and closes it', async () => {
    const server = createServer((_request, response) => void response.end('bare'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const testingModule = await Test.createTestingModule({ providers: [RootGateway, ChatGateway] }).compile();
    const app: INestApplication = testingModule.createNestApplication({ logger: false });
    afterCase(() => app.close());
    app.useWebSocketAdapter(new Base(server));
    await app.init();
    const url = urlOf(server);
    expect(await (await connect(url)).emitWithAck('where')).toBe('root /');
    expect(await (await connect(`${url}/chat`, { transports: ['polling'] })).emitWithAck('where')).toBe(
      'chat /chat /chat',
    );
    expect(await (await fetch(url)).text()).toBe('bare');
    await app.close();
    expect(server.listening).toBe(false);
  });
});
