/** Who can have an emitter, and which one it is. */
import { Controller, Get, Inject, Injectable, Module, Scope, type INestApplication } from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { WebSocketGateway } from '@nestjs/websockets';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Emitter, getEmitterToken, InjectEmitter, NestwireModule } from 'nestwire';
import { fakeEmitter } from 'nestwire/testing';
import { cleanUp, collect, connect, freePort, next, startApp, urlOf } from '../support.js';

afterEach(cleanUp);

@WebSocketGateway({ namespace: 'board' })
class BoardGateway {}

@Injectable()
class Announcer {
  @InjectEmitter() readonly main!: Emitter;

  constructor(@InjectEmitter('board') readonly board: Emitter) {}
}

@Module({ providers: [Announcer], exports: [Announcer] })
class FeatureModule {}

describe('@InjectEmitter()', () => {
  it('works in a provider of any module, in its constructor and on its properties', async () => {
    const { app, url } = await startApp({
      imports: [NestwireModule.forRoot({}), FeatureModule],
      providers: [BoardGateway],
    });
    const [board, main] = [await connect(`${url}/board`), await connect(url)];
    const heard = Promise.all([next(board, 'news'), next(main, 'news')]);
    const announcer = app.get(Announcer);
    announcer.board.emit('news', 'board');
    announcer.main.emit('news', 'main');
    expect(await heard).toEqual(['board', 'main']);
  });

  it('works with options of a factory, in gateways, in controllers, and in request scope', async () => {
    @WebSocketGateway({ namespace: '/board' })
    class Gateway {
      constructor(@InjectEmitter('/board') readonly board: Emitter) {}
    }
    @Injectable({ scope: Scope.REQUEST })
    class Notifier {
      constructor(
        @InjectEmitter('board') readonly board: Emitter,
        @Inject(REQUEST) private readonly request: { url: string },
      ) {}

      notify(): void {
        this.board.emit('news', this.request.url);
      }
    }
    @Controller()
    class NewsController {
      constructor(
        @InjectEmitter('board') private readonly board: Emitter,
        private readonly notifier: Notifier,
      ) {}

      @Get('news')
      news(): void {
        this.board.emit('news', 'controller');
        this.notifier.notify();
      }
    }
    const { app, url } = await startApp({
      imports: [NestwireModule.forRootAsync({ useFactory: async () => ({ pingInterval: 1000 }) })],
      providers: [Gateway, Notifier],
      controllers: [NewsController],
    });
    const socket = await connect(`${url}/board`);
    const heard = collect(socket, 'news');
    const last = next(socket, 'end');
    await Promise.all(['one', 'two'].map((query) => fetch(`${url}/news?${query}`)));
    app.get(Gateway).board.emit('end');
    await last;
    expect(heard.toSorted()).toEqual(['/news?one', '/news?two', 'controller', 'controller']);
  });

  it('is told from another server by port and path', async () => {
    const port = await freePort();
    @WebSocketGateway({ path: '/other/', namespace: 'board' })
    class OtherPath {}
    @WebSocketGateway({ namespace: 'board' })
    class OtherPort {}
    WebSocketGateway(port, { namespace: 'board' })(OtherPort);
    const tokens = [
      getEmitterToken('board'),
      getEmitterToken({ path: '/live', namespace: '/board' }),
      getEmitterToken({ path: '/other', namespace: 'board' }),
      getEmitterToken({ port, namespace: 'board' }),
    ];
    const { app, url } = await startApp({
      imports: [NestwireModule.forRoot({ path: '/live' })],
      providers: [BoardGateway, OtherPath, OtherPort],
    });
    const clients = await Promise.all([
      connect(`${url}/board`, { path: '/live' }),
      connect(`${url}/board`, { path: '/other' }),
      connect(`http://127.0.0.1:${port}/board`, { path: '/live' }),
    ]);
    const heard = clients.map((client) => collect(client, 'news'));
    const ends = Promise.all(clients.map((client) => next(client, 'end')));
    tokens.forEach((token, index) => app.get<Emitter>(token).emit('news', index));
    for (const token of tokens.slice(1)) app.get<Emitter>(token).emit('end');
    await ends;
    expect(heard).toEqual([[0, 1], [2], [3]]);
  });

  it('shares nothing between two applications of one process', async () => {
    const start = async () => {
      const { app, url } = await startApp({
        imports: [NestwireModule.forRoot({}), FeatureModule],
        providers: [BoardGateway],
      });
      return { app, socket: await connect(`${url}/board`), board: app.get(Announcer).board };
    };
    const [one, other] = [await start(), await start()];
    expect(one.board).not.toBe(other.board);
    const heard = [collect(one.socket, 'news'), collect(other.socket, 'news')];
    one.board.emit('news', 'one');
    other.board.emit('news', 'other');
    const ends = Promise.all([next(one.socket, 'end'), next(other.socket, 'end')]);
    one.board.emit('end');
    other.board.emit('end');
    await ends;
    expect(heard).toEqual([['one'], ['other']]);
    await one.app.close();
    one.board.emit('news', 'nobody');
    const last = next(other.socket, 'end');
    other.board.emit('end');
    await last;
    expect(heard).toEqual([['one'], ['other']]);
  });

  it('is replaced by a fake in a test, with or without the module', async () => {
    const fake = fakeEmitter();
    const unit = await Test.createTestingModule({
      providers: [
        Announcer,
        { provide: getEmitterToken('board'), useValue: fake },
        { provide: getEmitterToken(), useValue: fake.to('main') },
      ],
    }).compile();
    unit.get(Announcer).board.emit('news', 1);
    unit.get(Announcer).main.emit('news', 2);
    expect(fake.emitted).toMatchObject([
      { event: 'news', args: [1], to: [] },
      { event: 'news', args: [2], to: ['main'] },
    ]);
    fake.clear();
    const whole = await Test.createTestingModule({ imports: [NestwireModule.forRoot({}), FeatureModule] })
      .overrideProvider(getEmitterToken('board'))
      .useValue(fake)
      .compile();
    whole.get(Announcer).board.emit('news', 3);
    expect(fake.emitted).toMatchObject([{ args: [3] }]);
    await Promise.all([unit.close(), whole.close()]);
  });
});

describe('getEmitterToken()', () => {
  it('is one for each namespace of each server', () => {
    expect(getEmitterToken('board')).toBe(getEmitterToken({ namespace: '/board', port: 0 }));
    expect(new Set([getEmitterToken(), getEmitterToken(''), getEmitterToken('/')]).size).toBe(1);
    expect(getEmitterToken({ port: 81, path: '/live/' })).toBe(getEmitterToken({ port: 81, path: '/live' }));
    const tokens = ['a', 'a/', { namespace: 'a', port: 1 }, { namespace: 'a', path: '/a' }, { port: 1 }, 'A'];
    expect(new Set(tokens.map((address) => getEmitterToken(address))).size).toBe(tokens.length);
  });

  it('says in an error of Nest what is missing', async () => {
    const compiled = Test.createTestingModule({ imports: [FeatureModule] }).compile();
    await expect(compiled).rejects.toThrow('Emitter(/board)');
  });

  it('refuses names that are none', () => {
    expect(() => getEmitterToken('a,b')).toThrow('comma');
    expect(() => InjectEmitter(/room-\d+/ as never)).toThrow(TypeError);
    expect(() => InjectEmitter({ namespace: /room-\d+/ as never })).toThrow('one namespace');
    expect(() => getEmitterToken({ port: '81' as never })).toThrow(TypeError);
    expect(() => getEmitterToken({ port: -1 })).toThrow(TypeError);
  });

  it('takes any other name, as socket.io does', async () => {
    const name = '/ä b/c?d#e';
    @WebSocketGateway({ namespace: name })
    class OddGateway {}
    const token = getEmitterToken(name);
    const { app } = await startApp({ imports: [NestwireModule.forRoot({})], providers: [OddGateway] });
    const { Manager } = await import('socket.io-client');
    const manager = new Manager(urlOf((app as INestApplication).getHttpServer()), { transports: ['websocket'] });
    const socket = manager.socket(name);
    await next(socket, 'connect');
    const heard = next(socket, 'news');
    app.get<Emitter>(token).emit('news', 1);
    expect(await heard).toBe(1);
    socket.disconnect();
  });
});
