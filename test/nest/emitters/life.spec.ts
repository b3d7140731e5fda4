/** Emitters in the life of an application: what works when, and what is said when nothing can. */
import {
  Injectable,
  type BeforeApplicationShutdown,
  type CanActivate,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleDestroy,
  type OnModuleInit,
  type Provider,
  type WebSocketAdapter,
} from '@nestjs/common';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { Test } from '@nestjs/testing';
import { WebSocketGateway, type OnGatewayInit } from '@nestjs/websockets';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  Emitter,
  getEmitterToken,
  InjectEmitter,
  NestwireAdapter,
  NestwireModule,
  UseConnectionGuards,
  type NestwireOptions,
  type Server,
  type Socket,
} from 'nestwire';
import { defer, NEVER, of } from 'rxjs';
import {
  afterCase,
  cleanUp,
  client,
  collect,
  connect,
  next,
  RecordingLogger,
  startApp,
  type StartOptions,
} from '../support.js';

afterEach(cleanUp);

@WebSocketGateway({ namespace: 'board' })
class BoardGateway {}

const BOARD = getEmitterToken('board');
const SECRET = getEmitterToken('secret');
const ROOM = getEmitterToken('room-1');
const PORT = getEmitterToken({ port: 1, namespace: 'board' });

const start = (providers: Provider[], options: Partial<StartOptions> & { module?: NestwireOptions } = {}) =>
  startApp({ imports: [NestwireModule.forRoot(options.module ?? {})], providers, ...options });

describe('emitters at the start', () => {
  it('reach clients of other nodes from onModuleInit on; pipes begin when every module is ready', async () => {
    const order: string[] = [];
    @Injectable()
    class Source implements OnModuleInit {
      async onModuleInit(): Promise<void> {
        await new Promise((resolve) => setImmediate(resolve));
        order.push('ready');
      }
    }
    @Injectable()
    class Early implements OnModuleInit, OnApplicationBootstrap {
      constructor(@InjectEmitter('board') private readonly board: Emitter) {
        order.push('made');
        board.emit('news', 'constructor');
        board.pipe(
          'news',
          defer(() => of(order.push('subscribed'))),
        );
      }

      async onModuleInit(): Promise<void> {
        this.board.emit('news', 'onModuleInit');
      }

      onApplicationBootstrap(): void {
        this.board.emit('news', 'onApplicationBootstrap');
      }
    }
    const packets: unknown[] = [];
    class Adapter extends NestwireAdapter {
      override createIOServer(port: number, options: object): Server {
        const server = super.createIOServer(port, options) as Server;
        server.of('/board').adapter.broadcast = ({ data }: { data: unknown[] }) => packets.push(data[1]);
        return server;
      }
    }
    const { logger } = await start([Source, Early, BoardGateway], { adapter: (app) => new Adapter(app) });
    expect(order).toEqual(['made', 'ready', 'subscribed']);
    expect(packets).toContain('onModuleInit');
    expect(packets).toContain('onApplicationBootstrap');
    expect(packets).toContain(3);
    expect(packets).toHaveLength(3);
    expect([logger.warnings, logger.errors]).toEqual([[], []]);
  });
});

describe('emitters at the end', () => {
  it('reach clients until the server is closed, and then nobody, without a word', async () => {
    @Injectable()
    class Goodbye implements OnModuleDestroy, BeforeApplicationShutdown, OnApplicationShutdown {
      readonly piped;

      constructor(@InjectEmitter('board') private readonly board: Emitter) {
        this.piped = board.pipe('news', NEVER);
      }

      onModuleDestroy(): void {
        this.board.emit('news', 'onModuleDestroy');
      }

      async beforeApplicationShutdown(): Promise<void> {
        await new Promise((resolve) => setImmediate(resolve));
        this.board.emit('news', `beforeApplicationShutdown ${this.piped.closed}`);
      }

      onApplicationShutdown(): void {
        this.board.emit('news', `onApplicationShutdown`);
      }
    }
    let isPipedWhenClosing: boolean | undefined;
    class Adapter extends NestwireAdapter {
      override close(server: object): Promise<void> {
        const closing = super.close(server);
        isPipedWhenClosing ??= !piped.closed;
        return closing;
      }
    }
    const { app, url, logger } = await start([Goodbye, BoardGateway], { adapter: (one) => new Adapter(one) });
    const socket = await connect(`${url}/board`);
    const heard = collect(socket, 'news');
    const gone = next(socket, 'disconnect');
    const { piped } = app.get(Goodbye);
    await app.close();
    await gone;
    expect(heard).toEqual(['onModuleDestroy', 'beforeApplicationShutdown false']);
    expect(isPipedWhenClosing).toBe(false);
    expect([logger.warnings, logger.errors]).toEqual([[], []]);
  });
});

describe('an emitter that can reach nobody says so once', () => {
  const send = (emitter: Emitter): void => {
    for (let n = 0; n < 3; n++) emitter.to('red').emit('news', n);
    emitter.join('red');
    emitter.request('ask', 1).subscribe();
    emitter.pipe('news', NEVER).unsubscribe();
  };

  it.each<[string, Partial<StartOptions>]>([
    ['no adapter of Nestwire', { adapter: (app) => new IoAdapter(app) }],
    [
      'an adapter that was made without the application',
      { adapter: (app) => new NestwireAdapter(app.getHttpServer()) as WebSocketAdapter },
    ],
  ])('%s', async (_what, options) => {
    const { app, logger } = await start([BoardGateway], options);
    expect(logger.warnings).toEqual([]);
    for (const token of [BOARD, SECRET, PORT]) send(app.get(token));
    expect(logger.warnings).toEqual([expect.stringMatching(/NestwireAdapter.*app\.useWebSocketAdapter/)]);
    expect(logger.errors).toEqual([]);
  });

  it('no adapter at all, in an application without gateways', async () => {
    const logger = new RecordingLogger();
    const builder = Test.createTestingModule({ imports: [NestwireModule.forRoot({})] }).setLogger(logger);
    const app = (await builder.compile()).createNestApplication({ logger });
    afterCase(() => app.close());
    send(app.get(BOARD));
    await app.init();
    expect(logger.warnings).toEqual([]);
    send(app.get(BOARD));
    expect(logger.warnings).toEqual([expect.stringContaining('app.useWebSocketAdapter(new NestwireAdapter(app))')]);
  });

  it('no gateway on the port and path, also for a pipe that waits', async () => {
    @Injectable()
    class Piping {
      constructor(@InjectEmitter({ port: 1, namespace: 'board' }) board: Emitter) {
        board.pipe('news', NEVER);
      }
    }
    const { app, logger } = await start([BoardGateway, Piping]);
    expect(logger.warnings).toEqual([expect.stringMatching(/no gateway.*port 1, path "default"/)]);
    send(app.get(PORT));
    expect(logger.warnings).toHaveLength(1);
    send(app.get(BOARD));
    expect(logger.warnings).toHaveLength(1);
  });

  it('no gateway for the namespace, which stays closed to clients', async () => {
    const { app, url, logger } = await start([BoardGateway]);
    send(app.get(SECRET));
    expect(logger.warnings).toEqual([expect.stringContaining('"/secret"')]);
    await expect(connect(`${url}/secret`)).rejects.toThrow('Invalid namespace');
  });

  it('not what nobody uses', async () => {
    const { logger } = await start([BoardGateway], { adapter: (app) => new IoAdapter(app) });
    expect(logger.warnings).toEqual([]);
  });
});

describe('an emitter of a namespace that a pattern allows', () => {
  class OnlyAda implements CanActivate {
    canActivate(context: { switchToWs(): { getClient(): Socket } }): boolean {
      return context.switchToWs().getClient().handshake.auth['name'] === 'Ada';
    }
  }
  @WebSocketGateway({ namespace: /^\/room-\d+$/ })
  @UseConnectionGuards(OnlyAda)
  class RoomGateway implements OnGatewayInit {
    readonly connected: string[] = [];

    constructor(@InjectEmitter('room-1') private readonly room: Emitter) {}

    afterInit(): void {
      // now the pattern is known, and nothing stands on it yet
      this.room.emit('news', 'early');
    }

    handleConnection(socket: Socket): void {
      this.connected.push(socket.nsp.name);
    }
  }

  it('opens it with the guards and handlers of the pattern', async () => {
    const { app, url, logger } = await start([RoomGateway]);
    const room = app.get<Emitter>(ROOM);
    room.emit('news', 'nobody yet');
    const eve = client(`${url}/room-1`, { auth: { name: 'Eve' } });
    const refused = next(eve, 'connect_error');
    eve.connect();
    expect(await refused).toMatchObject({ data: { code: 'FORBIDDEN' } });
    const ada = await connect(`${url}/room-1`, { auth: { name: 'Ada' } });
    const heard = next(ada, 'news');
    room.emit('news', 1);
    expect(await heard).toBe(1);
    expect(app.get(RoomGateway).connected).toEqual(['/room-1']);
    expect(logger.warnings).toEqual([]);
  });
});
