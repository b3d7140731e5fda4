/** Which connection guards hold where, who makes them, and what is refused at start. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import {
  Inject,
  Injectable,
  Module,
  Scope,
  SetMetadata,
  type CanActivate,
  type ExecutionContext,
  type Type,
} from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { ConnectedSocket, MessageBody, SubscribeMessage, WebSocketGateway, WebSocketServer } from '@nestjs/websockets';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { Observable } from 'rxjs';
import {
  MessageStream,
  NestwireAdapter,
  NestwireModule,
  SubscribeStream,
  UseConnectionGuards,
  type Server,
  type Socket,
} from 'nestwire';
import { InvalidOptionError } from 'nestwire/engine';
import { Server as StockServer } from 'socket.io';
import { clientOf, guard, refusal } from './guards-support.js';
import {
  afterCase,
  cleanUp,
  client,
  connect,
  createApp,
  deferred,
  nestwire,
  next,
  startApp,
  urlOf,
} from './support.js';

afterEach(cleanUp);

describe('guards by class', () => {
  @Injectable()
  class Members {
    readonly names = ['Ann'];
  }

  @Injectable()
  class MemberGuard implements CanActivate {
    made = Symbol('made');
    constructor(@Inject(Members) private readonly members: Members) {}
    canActivate(context: ExecutionContext): boolean {
      return this.members.names.includes(clientOf(context).handshake.auth['name'] as string);
    }
  }

  @WebSocketGateway({ namespace: 'members' })
  @UseConnectionGuards(MemberGuard)
  class MembersGateway {
    @SubscribeMessage('echo')
    echo(@MessageBody() data: unknown): unknown {
      return data;
    }
  }

  // what the guard injects is known to this module only
  @Module({ providers: [Members, MembersGateway] })
  class MembersModule {}

  it('are made in the module of their gateway, and are not asked for messages', async () => {
    const { app, url } = await startApp({ imports: [MembersModule] });
    const socket = await connect(`${url}/members`, { auth: { name: 'Ann' } });
    app.get(Members, { strict: false }).names.length = 0;
    expect(await socket.emitWithAck('echo', 1)).toBe(1);
    expect((await refusal(`${url}/members`, { auth: { name: 'Ann' } })).data.code).toBe('FORBIDDEN');
  });

  it('can be overridden in tests, as any guard', async () => {
    const testing = Test.createTestingModule({ imports: [MembersModule] });
    const module = await testing
      .overrideGuard(MemberGuard)
      .useValue(guard(() => true))
      .compile();
    const app = module.createNestApplication({ logger: false });
    afterCase(() => app.close());
    app.useWebSocketAdapter(new NestwireAdapter(app));
    await app.listen(0, '127.0.0.1');
    await connect(`${(await app.getUrl()).replace('[::1]', '127.0.0.1')}/members`, { auth: { name: 'nobody' } });
  });

  it('leave the handlers and the class as they were', async () => {
    const { app } = await startApp({ imports: [MembersModule] });
    expect(Object.keys(MembersGateway.prototype)).toEqual([]);
    const wrapper = [...app.get(ModulesContainer).values()].flatMap(
      ({ providers }) => providers.get(MembersGateway) ?? [],
    );
    expect(wrapper[0]!.isDependencyTreeStatic()).toBe(true);
  });

  it('hold for children of a class, which add their own', async () => {
    const asked: string[] = [];
    const named = (name: string): CanActivate => guard(() => asked.push(name));
    @UseConnectionGuards(named('parent'))
    class ParentGateway {}
    @WebSocketGateway({ namespace: 'child' })
    @UseConnectionGuards(named('child'))
    class ChildGateway extends ParentGateway {}
    @WebSocketGateway({ namespace: 'heir' })
    class HeirGateway extends ParentGateway {}
    @WebSocketGateway({ namespace: 'twice' })
    @UseConnectionGuards(named('above'))
    @UseConnectionGuards(named('below'))
    class TwiceGateway {}
    const { url } = await startApp({ providers: [ChildGateway, HeirGateway, TwiceGateway] });
    for (const name of ['child', 'heir', 'twice']) await connect(`${url}/${name}`); // oxlint-disable-line no-await-in-loop
    expect(asked).toEqual(['parent', 'child', 'parent', 'below', 'above']);
  });
});

describe('several gateways on one namespace', () => {
  it('are all asked, after the guards of everywhere, in the order of Nest', async () => {
    const asked: unknown[] = [];
    let refusing = '';
    const named = (name: string): CanActivate =>
      guard((context) => {
        asked.push([name, context.getClass().name]);
        return name !== refusing;
      });
    @WebSocketGateway()
    @UseConnectionGuards(named('one'), named('two'))
    class OneGateway {}
    @WebSocketGateway()
    class FreeGateway {}
    @WebSocketGateway()
    @UseConnectionGuards(named('three'))
    class ThreeGateway {}
    const adapter = nestwire({ connectionGuards: [named('everywhere'), named('second')] });
    const { url } = await startApp({ providers: [OneGateway, FreeGateway, ThreeGateway], adapter });
    await connect(url);
    const all = [
      ...['everywhere', 'second'].flatMap((name) =>
        [OneGateway, FreeGateway, ThreeGateway].map((one) => [name, one.name]),
      ),
      ['one', 'OneGateway'],
      ['two', 'OneGateway'],
      ['three', 'ThreeGateway'],
    ];
    expect(asked.splice(0)).toEqual(all);
    refusing = 'two';
    await refusal(url);
    expect(asked.splice(0)).toEqual(all.slice(0, -1));
    refusing = 'everywhere';
    await refusal(url);
    expect(asked).toEqual(all.slice(0, 1));
  });
});

describe('namespaces of a pattern', () => {
  @WebSocketGateway({ namespace: /^\/room-\w+$/ })
  @UseConnectionGuards(
    guard((context) => clientOf(context).nsp.name.endsWith(clientOf(context).handshake.auth['room'] as string)),
  )
  class RoomGateway {
    @SubscribeMessage('where')
    where(): string {
      return 'room';
    }
  }

  @WebSocketGateway({ namespace: 'room-vip' })
  @UseConnectionGuards(guard((context) => clientOf(context).handshake.auth['vip'] === true))
  class VipGateway {}

  @WebSocketGateway({ namespace: /^\/room-\w+$/ })
  @UseConnectionGuards(guard((context) => clientOf(context).handshake.auth['banned'] !== true))
  class BouncerGateway {}

  it('are guarded, each by itself, and also one that has a gateway of its own', async () => {
    const { url } = await startApp({ providers: [VipGateway, RoomGateway, BouncerGateway] });
    const socket = await connect(`${url}/room-a`, { auth: { room: 'a' } });
    expect(await socket.emitWithAck('where')).toBe('room');
    for (const [name, auth] of [
      ['a', { room: 'b' }],
      ['a', { room: 'a', banned: true }],
      ['vip', { room: 'vip' }],
      ['vip', { room: 'a', vip: true }],
      ['vip', { room: 'vip', vip: true, banned: true }],
    ] as const) {
      // oxlint-disable-next-line no-await-in-loop
      expect((await refusal(`${url}/room-${name}`, { auth })).data.code).toBe('FORBIDDEN');
    }
    const vip = await connect(`${url}/room-vip`, { auth: { room: 'vip', vip: true } });
    expect(await vip.emitWithAck('where')).toBe('room');
  });
});

describe('connectionGuards of the adapter and of NestwireModule', () => {
  it('hold for namespaces without a gateway, and for those that are made by hand', async () => {
    const classes: unknown[] = [];
    const everywhere = guard((context) => {
      classes.push(context.getClass());
      expect(typeof context.getHandler()).toBe('function');
      return clientOf(context).handshake.auth['ok'] === true;
    });
    @WebSocketGateway({ namespace: 'gateway' })
    class Gateway {
      @WebSocketServer() namespace!: { server: Server };
    }
    const imports = [NestwireModule.forRoot({ connectionGuards: [everywhere] })];
    const { app, url } = await startApp({ imports, providers: [Gateway] });
    app.get(Gateway).namespace.server.of('/by-hand');
    for (const name of ['/', '/gateway', '/by-hand']) {
      /* oxlint-disable no-await-in-loop */
      expect((await refusal(url + name)).data.code).toBe('FORBIDDEN');
      await connect(url + name, { auth: { ok: true } });
      /* oxlint-enable no-await-in-loop */
    }
    expect(classes.filter((_one, index) => index % 2 === 0)).toEqual([NestwireAdapter, Gateway, NestwireAdapter]);
  });

  it('hold for an adapter that does not know its application', async () => {
    @WebSocketGateway()
    class Gateway {}
    const adapter = (app: any): NestwireAdapter =>
      new NestwireAdapter(app.getHttpServer(), { connectionGuards: [guard(() => false)] });
    const { url } = await startApp({ providers: [Gateway], adapter });
    expect((await refusal(url)).data.code).toBe('FORBIDDEN');
  });
});

describe('an application', () => {
  it('without connection guards has nothing put before its namespaces', async () => {
    @WebSocketGateway()
    class PlainGateway {
      @WebSocketServer() server!: Server;
    }
    const { app } = await startApp({ providers: [PlainGateway] });
    expect(Object.hasOwn(app.get(PlainGateway).server.of('/'), '_add')).toBe(false);
    expect(Object.hasOwn(app.get(PlainGateway), 'afterInit')).toBe(false);
  });

  it('still hears afterInit(), once, with its namespace', async () => {
    const heard: unknown[] = [];
    @WebSocketGateway({ namespace: 'init' })
    @UseConnectionGuards(guard(() => true))
    class InitGateway {
      private readonly name = 'gateway';
      @SetMetadata('kept', true)
      afterInit(namespace: { name: string }): void {
        heard.push([this.name, namespace.name]);
      }
    }
    expect(Reflect.getMetadata('kept', InitGateway.prototype.afterInit)).toBe(true);
    await startApp({ providers: [InitGateway] });
    expect(heard).toEqual([['gateway', '/init']]);
  });

  it('shares nothing with another one that has the same gateway', async () => {
    const counts = { a: 0, b: 0 };
    @Injectable()
    class CountingGuard implements CanActivate {
      constructor(@Inject('NAME') private readonly name: 'a' | 'b') {}
      canActivate(): boolean {
        counts[this.name] += 1;
        return this.name === 'a';
      }
    }
    @WebSocketGateway()
    @UseConnectionGuards(CountingGuard)
    class SharedGateway {}
    const start = (name: string) => startApp({ providers: [SharedGateway, { provide: 'NAME', useValue: name }] });
    const [a, b] = [await start('a'), await start('b')];
    await connect(a.url);
    await refusal(b.url);
    await connect(a.url);
    expect(counts).toEqual({ a: 2, b: 1 });
  });

  it('that was given two adapters has its guards asked once', async () => {
    let asked = 0;
    @WebSocketGateway()
    @UseConnectionGuards(guard(() => (asked += 1)))
    class Gateway {}
    const { url } = await startApp({
      providers: [Gateway],
      adapter: (app) => {
        void new NestwireAdapter(app);
        return new NestwireAdapter(app);
      },
    });
    await connect(url);
    expect(asked).toBe(1);
  });

  it('has its guards asked once on a server that its adapter gives to two paths', async () => {
    let asked = 0;
    let shared: Server | undefined;
    class SharingAdapter extends NestwireAdapter {
      override createIOServer(port: number, options?: any): any {
        return (shared ??= super.createIOServer(port, options));
      }
    }
    @WebSocketGateway({ namespace: 'one' })
    @UseConnectionGuards(guard(() => (asked += 1)))
    class OneGateway {}
    @WebSocketGateway({ namespace: 'two', path: '/elsewhere' })
    class TwoGateway {}
    const { url } = await startApp({ providers: [OneGateway, TwoGateway], adapter: (app) => new SharingAdapter(app) });
    await connect(`${url}/one`, { path: shared!.path() });
    expect(asked).toBe(1);
  });

  it('subscribes the streams of those who are let in alone', async () => {
    const subscribed: unknown[] = [];
    @WebSocketGateway({ namespace: 'streams' })
    @UseConnectionGuards(guard((context) => clientOf(context).handshake.auth['ok']))
    class StreamGateway {
      @SubscribeStream('word')
      words(@MessageStream() word$: Observable<string>, @ConnectedSocket() socket: Socket): Observable<string> {
        subscribed.push(socket.handshake.auth);
        return word$;
      }
    }
    const { url } = await startApp({ providers: [StreamGateway] });
    await refusal(`${url}/streams`, { auth: { ok: false } });
    const socket = client(`${url}/streams`, { auth: { ok: true } });
    const word = next(socket, 'word');
    socket.connect();
    socket.emit('word', 'sent before it is connected');
    expect(await word).toBe('sent before it is connected');
    expect(subscribed).toEqual([{ ok: true }]);
  });

  it('runs the guards of request-scoped gateways', async () => {
    @WebSocketGateway()
    @UseConnectionGuards(guard((context) => clientOf(context).handshake.auth['ok']))
    @Injectable({ scope: Scope.REQUEST })
    class ScopedGateway {
      handleConnection(socket: Socket): void {
        socket.emit('hello');
      }
    }
    const { url } = await startApp({ providers: [ScopedGateway] });
    const socket = client(url, { auth: { ok: true } });
    const hello = next(socket, 'hello');
    socket.connect();
    await hello;
    await refusal(url);
  });
});

describe('a class of connectionGuards', () => {
  @Injectable()
  class Tokens {
    readonly good = new Set(['t']);
  }

  @Injectable()
  class TokenGuard implements CanActivate {
    constructor(@Inject(Tokens) private readonly tokens: Tokens) {}
    canActivate(context: ExecutionContext): boolean {
      return this.tokens.good.has(clientOf(context).handshake.auth['token'] as string);
    }
  }

  @Module({ providers: [Tokens, TokenGuard], exports: [Tokens] })
  class TokensModule {}

  @Module({ providers: [Tokens], exports: [Tokens] })
  class OnlyTokensModule {}

  @WebSocketGateway()
  class OpenGateway {}

  const options = { connectionGuards: [TokenGuard] };

  it.each([
    ['by the module, from the module that provides it', { imports: [TokensModule, NestwireModule.forRoot(options)] }],
    ['by the adapter, from the module that provides it', { imports: [TokensModule], adapter: nestwire(options) }],
    [
      'by the module, made there',
      { imports: [NestwireModule.forRootAsync({ imports: [OnlyTokensModule], useFactory: () => options })] },
    ],
    [
      'by the adapter, made by the module, which names it, too',
      {
        imports: [NestwireModule.forRootAsync({ imports: [OnlyTokensModule], useFactory: () => options })],
        adapter: nestwire(options),
      },
    ],
  ])('is had when it is named %s', async (_how, start) => {
    const { app, url } = await startApp({ providers: [OpenGateway], ...start });
    await connect(url, { auth: { token: 't' } });
    app.get(Tokens, { strict: false }).good.clear();
    expect((await refusal(url, { auth: { token: 't' } })).data.code).toBe('FORBIDDEN');
  });

  it('is the instance of the module that provides it', async () => {
    const seen: unknown[] = [];
    @Injectable()
    class SelfGuard implements CanActivate {
      canActivate(): boolean {
        seen.push(this);
        return true;
      }
    }
    @WebSocketGateway()
    class Gateway {}
    const { app, url } = await startApp({
      providers: [SelfGuard, Gateway],
      adapter: nestwire({ connectionGuards: [SelfGuard] }),
    });
    await connect(url);
    expect(seen).toEqual([app.get(SelfGuard)]);
    expect(seen[0]).toBe(app.get(SelfGuard));
  });
});

describe('what cannot be had is an error at start that names it', () => {
  @Injectable({ scope: Scope.REQUEST })
  class ScopedGuard implements CanActivate {
    canActivate(): boolean {
      return true;
    }
  }

  @Injectable({ scope: Scope.TRANSIENT })
  class TransientGuard extends ScopedGuard {}

  @Injectable({ scope: Scope.REQUEST })
  class ClientState {}

  @Injectable()
  class DependentGuard extends ScopedGuard {
    constructor(@Inject(ClientState) readonly state: ClientState) {
      super();
    }
  }

  class NoGuard {}

  @Injectable()
  class HungryGuard extends ScopedGuard {
    constructor(@Inject('NOT THERE') readonly dependency: unknown) {
      super();
    }
  }

  const gateway = (...guards: any[]): Type => {
    @WebSocketGateway()
    @UseConnectionGuards(...guards)
    class GuardedGateway {}
    return GuardedGateway;
  };

  it.each([
    ['a request-scoped one', ScopedGuard, 'GuardedGateway names ScopedGuard, which is not of the default scope'],
    ['a transient one', TransientGuard, 'GuardedGateway names TransientGuard, which is not of the default scope'],
    [
      'one that needs something request-scoped',
      DependentGuard,
      'names DependentGuard, which is not of the default scope',
    ],
    ['a class that is none', NoGuard, 'names NoGuard, which has no canActivate() method'],
  ])('by the decorator: %s', async (_what, guard, message) => {
    await expect(createApp({ providers: [ClientState, gateway(guard)] })).rejects.toThrow(message);
  });

  it('by the decorator: what is no guard at all', () => {
    expect(() => gateway({})).toThrow('@UseGuards');
    expect(() => gateway(undefined)).toThrow('@UseGuards');
  });

  it('by the decorator: a guard that Nest cannot make', async () => {
    await expect(createApp({ providers: [gateway(HungryGuard)] })).rejects.toThrow('HungryGuard');
  });

  it.each([
    ['no list', { connectionGuards: guard(() => true) }, /"connectionGuards" must be a list/],
    ['a class of nobody', { connectionGuards: [NoGuard] }, /"connectionGuards" names NoGuard, which is not a provider/],
    ['an object that is no guard', { connectionGuards: [{}] }, /names an object, which has no canActivate\(\) method/],
    [
      'an instance of a class that is none',
      { connectionGuards: [new NoGuard()] },
      /names an instance of NoGuard, which/,
    ],
    ['nothing', { connectionGuards: [undefined] }, /names undefined, which has no canActivate\(\) method/],
    [
      'a request-scoped provider',
      { connectionGuards: [ScopedGuard] },
      /names ScopedGuard, which is not of the default/,
    ],
    ['no time at all', { connectionGuardTimeout: 0 }, /"connectionGuardTimeout"/],
    ['more time than a timer has', { connectionGuardTimeout: 2 ** 31 }, /"connectionGuardTimeout"/],
    ['no number', { connectionGuardTimeout: 'soon' }, /"connectionGuardTimeout"/],
  ])('by an option of the adapter: %s', async (_what, options, message) => {
    const refused = createApp({ providers: [ScopedGuard], adapter: nestwire(options as never) });
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.toBeInstanceOf(InvalidOptionError);
  });

  it.each([
    ['a class that cannot be made', HungryGuard, /names HungryGuard, which NestwireModule cannot make .*NOT THERE/s],
    ['a request-scoped class', ScopedGuard, /names ScopedGuard, which is not of the default scope/],
    ['a class that is none', NoGuard, /names NoGuard, which has no canActivate\(\) method/],
  ])('by NestwireModule: %s', async (_what, guard, message) => {
    const imports = [NestwireModule.forRoot({ connectionGuards: [guard as never] })];
    await expect(createApp({ imports })).rejects.toThrow(message);
  });

  it('by an adapter that does not know the application: a class', () => {
    expect(() => new NestwireAdapter(createServer(), { connectionGuards: [ScopedGuard] })).toThrow(
      /takes instances only/,
    );
  });
});

describe('a gateway with connection guards', () => {
  const GuardedGateway = (): { afterInit(server: unknown): void } => {
    @WebSocketGateway()
    @UseConnectionGuards(guard(() => false))
    class Gateway {}
    return new Gateway() as never;
  };

  it('is not started by an adapter that does not run them', async () => {
    // Nest calls afterInit() with these
    const message = 'Gateway has connection guards, and its server does not run them';
    const stock = new StockServer();
    expect(() => GuardedGateway().afterInit(stock)).toThrow(message);
    expect(() => GuardedGateway().afterInit(stock.of('/namespace'))).toThrow(message);
    const adapter = new NestwireAdapter(createServer());
    const server = adapter.create(0) as Server;
    afterCase(() => server.close());
    expect(() => GuardedGateway().afterInit(server)).toThrow(message);
  });
});

describe('while the application starts', () => {
  it('clients are sent away from every namespace of its servers, and come back', async () => {
    const initialize = deferred();
    let asked = 0;
    @WebSocketGateway({ namespace: 'guarded' })
    @UseConnectionGuards(guard(() => (asked += 1)))
    class SlowGateway {
      onModuleInit(): Promise<void> {
        return initialize.promise;
      }
    }
    const http = createServer();
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    const { app } = await createApp({
      providers: [SlowGateway],
      adapter: (one) => new NestwireAdapter(http, { app: one }),
    });
    afterCase(() => new Promise((resolve) => (http.listening ? http.close(resolve) : resolve(0))));
    const initialized = app.init();
    for (const name of ['/', '/guarded']) {
      /* oxlint-disable no-await-in-loop */
      const socket = client(urlOf(http) + name);
      const gone = next(socket, 'disconnect') as Promise<[string]>;
      socket.connect();
      expect((await gone)[0]).toBe('transport close');
      /* oxlint-enable no-await-in-loop */
    }
    expect(asked).toBe(0);
    initialize.resolve();
    await initialized;
    await connect(urlOf(http));
    await connect(`${urlOf(http)}/guarded`);
    expect(asked).toBe(1);
  });
});
