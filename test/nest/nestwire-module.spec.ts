/** Where options come from, and which of them win. */
import { Injectable, Module, type INestApplication } from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { NestFactory } from '@nestjs/core';
import { SubscribeMessage, WebSocketGateway, WebSocketServer, WsException } from '@nestjs/websockets';
import { afterEach, describe, expect, it } from '@jest/globals';
import { NestwireAdapter, NestwireModule, type NestwireOptions, type Server } from 'nestwire';
import { GatewayOptions } from '../../lib/nest/gateway-options.js';
import { afterCase, cleanUp, connect, createApp, freePort, nestwire, startApp } from './support.js';

@WebSocketGateway()
class PlainGateway {
  @WebSocketServer() server!: Server;

  @SubscribeMessage('fail')
  fail(): never {
    throw new WsException('x');
  }
}

@WebSocketGateway({ pingInterval: 1111, cors: { origin: 'https://one.example' } })
class FirstGateway {
  @WebSocketServer() server!: Server;
}

@WebSocketGateway({ namespace: 'second', maxHttpBufferSize: 2222, cors: { origin: 'https://one.example' } })
class SecondGateway {}

@WebSocketGateway({ namespace: 'third', path: '/socket.io/', pingInterval: 3333 })
class ContradictingGateway {}

/** The options in force of a server. */
const inForce = (
  app: INestApplication,
  gateway: new () => { server: Server } = PlainGateway,
): Record<string, unknown> => app.get(gateway).server.engine.opts as unknown as Record<string, unknown>;

afterEach(cleanUp);

describe('NestwireModule', () => {
  it('gives its options to the adapter', async () => {
    const imports = [NestwireModule.forRoot({ pingInterval: 1234, path: '/live', errors: 'nest' })];
    const { app, url } = await startApp({ imports, providers: [PlainGateway] });
    expect(inForce(app)).toMatchObject({ pingInterval: 1234, pingTimeout: 20_000 });
    await expect(connect(url)).rejects.toThrow();
    const socket = await connect(url, { path: '/live' });
    let acknowledged = false;
    const exception = new Promise((resolve) => socket.once('exception', resolve));
    socket.emit('fail', 1, () => (acknowledged = true));
    expect(await exception).toMatchObject({ cause: { pattern: 'fail' } });
    expect(acknowledged).toBe(false);
  });

  it("writes what the engine refuses into the application's log, unless it has a logger of its own", async () => {
    const limits = { maxSessions: 1 };
    const { url, logger } = await startApp({
      imports: [NestwireModule.forRoot({ limits })],
      providers: [PlainGateway],
    });
    await connect(url);
    await expect(connect(url, { forceNew: true, reconnection: false })).rejects.toThrow();
    expect(logger.warnings).toEqual(['limit maxSessions exceeded: Too many sessions']);
    await cleanUp();
    const lines: string[] = [];
    const own = await startApp({
      imports: [NestwireModule.forRoot({ limits, logger: (line) => lines.push(line) })],
      providers: [PlainGateway],
    });
    await connect(own.url);
    await expect(connect(own.url, { forceNew: true, reconnection: false })).rejects.toThrow();
    expect([lines.length, own.logger.warnings]).toEqual([1, []]);
  });

  it('takes options from a factory with ConfigService', async () => {
    const config = ConfigModule.forRoot({ ignoreEnvFile: true, load: [() => ({ live: { ping: 4321 } })] });
    const imports = [
      NestwireModule.forRootAsync({
        imports: [config],
        inject: [ConfigService],
        useFactory: async (service: ConfigService): Promise<NestwireOptions> => ({
          pingInterval: await Promise.resolve(service.getOrThrow<number>('live.ping')),
        }),
      }),
    ];
    expect(inForce((await startApp({ imports, providers: [PlainGateway] })).app)).toMatchObject({ pingInterval: 4321 });
  });

  it('takes options from a class, its own or one that is there', async () => {
    @Injectable()
    class LiveOptions {
      createNestwireOptions(): NestwireOptions {
        return { pingInterval: 77 };
      }
    }
    @Module({ providers: [LiveOptions], exports: [LiveOptions] })
    class LiveOptionsModule {}
    for (const module of [
      NestwireModule.forRootAsync({ useClass: LiveOptions }),
      NestwireModule.forRootAsync({ imports: [LiveOptionsModule], useExisting: LiveOptions }),
    ]) {
      // oxlint-disable-next-line no-await-in-loop
      const { app } = await startApp({ imports: [module], providers: [PlainGateway] });
      expect(inForce(app)).toMatchObject({ pingInterval: 77 });
    }
  });

  it('is not needed, neither with an application of NestFactory', async () => {
    @Module({ providers: [PlainGateway] })
    class AppModule {}
    const app = await NestFactory.create(AppModule, { logger: false });
    afterCase(() => app.close());
    app.useWebSocketAdapter(new NestwireAdapter(app));
    await app.init();
    expect(inForce(app)).toMatchObject({ pingInterval: 25_000 });
  });

  it('refuses to be configured twice', async () => {
    @Module({ imports: [NestwireModule.forRoot({ pingInterval: 1 })] })
    class OtherModule {}
    const imports = [NestwireModule.forRoot({ pingInterval: 2 }), OtherModule];
    await expect(createApp({ imports })).rejects.toThrow('configured more than once');
  });
});

describe('an option that cannot be honoured', () => {
  it('is refused when the application starts', async () => {
    const start = (options: object): Promise<unknown> =>
      createApp({ providers: [PlainGateway], adapter: nestwire(options) }).then(({ app }) => app.init());
    await expect(start({ errors: 'none' })).rejects.toThrow('"errors"');
    await expect(start({ pingInterval: -1 })).rejects.toThrow('pingInterval');
    await expect(start({ transports: ['carrier pigeon'] })).rejects.toThrow('carrier pigeon');
  });
});

describe('precedence of options', () => {
  it('is gateway, adapter, module, default', async () => {
    const imports = [
      NestwireModule.forRoot({ pingInterval: 1, pingTimeout: 1, upgradeTimeout: 1, maxHttpBufferSize: undefined }),
    ];
    const adapter = nestwire({ pingInterval: 2, pingTimeout: 2, connectTimeout: undefined });
    const { app } = await startApp({ imports, providers: [FirstGateway], adapter });
    expect(inForce(app, FirstGateway)).toMatchObject({
      pingInterval: 1111,
      pingTimeout: 2,
      upgradeTimeout: 1,
      maxHttpBufferSize: 1e6,
    });
  });

  it('counts for the path, too', async () => {
    @WebSocketGateway({ path: '/own' })
    class OwnPathGateway extends PlainGateway {}
    const imports = [NestwireModule.forRoot({ path: '/module' })];
    const { url } = await startApp({ imports, providers: [PlainGateway, OwnPathGateway] });
    await connect(url, { path: '/module' });
    await connect(url, { path: '/own' });
    await expect(connect(url)).rejects.toThrow();
  });
});

describe('gateways that share a server', () => {
  it.each([
    ['in one order', [FirstGateway, SecondGateway]],
    ['in the other', [SecondGateway, FirstGateway]],
  ])('share their options, %s', async (_order, providers) => {
    const { app } = await startApp({ providers });
    const options = inForce(app, FirstGateway);
    expect(options).toMatchObject({
      pingInterval: 1111,
      maxHttpBufferSize: 2222,
      cors: { origin: 'https://one.example' },
    });
    expect(options).not.toHaveProperty('namespace');
  });

  it('may not contradict each other, across modules, and the error says who does', async () => {
    @Module({ providers: [ContradictingGateway] })
    class FeatureModule {}
    const refused = createApp({ imports: [FeatureModule], providers: [FirstGateway, SecondGateway] });
    await expect(refused).rejects.toMatchObject({
      name: 'GatewayOptionsConflictError',
      option: 'pingInterval',
      gateways: expect.arrayContaining(['FirstGateway', 'ContradictingGateway']),
      message: expect.stringMatching(/FirstGateway.*path "\/socket\.io".*"pingInterval"/),
    });
  });

  it('share a server when one names the default path and the other none', async () => {
    @WebSocketGateway({ path: '/socket.io' })
    class NamedPathGateway {
      @WebSocketServer() server!: Server;

      @SubscribeMessage('named')
      named(): string {
        return 'named';
      }
    }
    @WebSocketGateway({ path: '/socket.io/', namespace: 'n' })
    class SlashGateway {
      @WebSocketServer() server!: Server;

      @SubscribeMessage('slash')
      slash(): string {
        return 'slash';
      }
    }
    const { app, url } = await startApp({ providers: [PlainGateway, NamedPathGateway, SlashGateway] });
    expect(app.get(NamedPathGateway).server).toBe(app.get(PlainGateway).server);
    expect(await (await connect(url)).emitWithAck('named')).toBe('named');
    expect(await (await connect(url)).emitWithAck('fail')).toEqual({ status: 'error', message: 'x' });
    expect(await (await connect(`${url}/n`)).emitWithAck('slash')).toBe('slash');
  });

  it('may differ on another port or path', async () => {
    const port = await freePort();
    @WebSocketGateway({ path: '/other', pingInterval: 5 })
    class OtherPathGateway extends PlainGateway {}
    class OtherPortGateway extends PlainGateway {}
    WebSocketGateway(port, { pingInterval: 6 })(OtherPortGateway);
    const { app } = await startApp({ providers: [FirstGateway, OtherPathGateway, OtherPortGateway] });
    expect(
      [FirstGateway, OtherPathGateway, OtherPortGateway].map((gateway) => inForce(app, gateway)['pingInterval']),
    ).toEqual([1111, 5, 6]);
  });

  it('share a RegExp namespace, too', async () => {
    @WebSocketGateway({ namespace: /^\/room-\d+$/ })
    class RoomGateway {
      @SubscribeMessage('one')
      one(): string {
        return 'one';
      }
    }
    @WebSocketGateway({ namespace: /^\/room-\d+$/ })
    class SecondRoomGateway {
      @SubscribeMessage('two')
      two(): string {
        return 'two';
      }
    }
    const socket = await connect(`${(await startApp({ providers: [RoomGateway, SecondRoomGateway] })).url}/room-1`);
    expect([await socket.emitWithAck('one'), await socket.emitWithAck('two')]).toEqual(['one', 'two']);
  });
});

describe('GatewayOptions', () => {
  const gateway = (name: string, options: object, port = 0): any => {
    const { [name]: type } = { [name]: class {} };
    WebSocketGateway(port, options as never)(type!);
    return type;
  };

  it('takes equal values as one, whatever their identity', () => {
    const allow = (): void => {};
    const options = new GatewayOptions(
      [
        gateway('A', { cors: { origin: [/x/, 'y'] }, allowRequest: allow, transports: ['polling'] }),
        gateway('B', { cors: { origin: [/x/, 'y'] }, allowRequest: allow, transports: ['polling'] }),
      ],
      undefined,
    );
    expect(options.of(0, undefined)).toEqual({
      cors: { origin: [/x/, 'y'] },
      allowRequest: allow,
      transports: ['polling'],
    });
  });

  it.each([
    ['objects', { cors: { origin: 'a' } }, { cors: { origin: 'b' } }, 'cors'],
    ['patterns', { cors: { origin: /a/ } }, { cors: { origin: /b/ } }, 'cors'],
    ['functions', { allowRequest: () => 1 }, { allowRequest: () => 1 }, 'allowRequest'],
    ['off and on', { serveClient: false }, { serveClient: true }, 'serveClient'],
  ])('refuses two values: %s', (_what, first, second, option) => {
    const make = (): GatewayOptions => new GatewayOptions([gateway('A', first), gateway('B', second)], undefined);
    expect(make).toThrow(`A and B share one Socket.IO server (the application's port, path "/socket.io")`);
    expect(make).toThrow(`"${option}"`);
  });

  it('names the port', () => {
    const make = (): GatewayOptions =>
      new GatewayOptions([gateway('A', { cookie: true }, 81), gateway('B', { cookie: false }, 81)], undefined);
    expect(make).toThrow('port 81');
  });

  it('does not count what is undefined', () => {
    const options = new GatewayOptions(
      [gateway('A', { pingInterval: undefined }), gateway('B', { pingInterval: 5 })],
      undefined,
    );
    expect(options.of(0, '/socket.io')).toEqual({ pingInterval: 5 });
    expect(options.of(1, '/socket.io')).toEqual({});
  });
});
