/** Guards that decide who may connect: what they get, what they say, and what a client hears of it. */
import { createRequire } from 'node:module';
import {
  ForbiddenException,
  HttpException,
  Inject,
  Injectable,
  InternalServerErrorException,
  ServiceUnavailableException,
  UnauthorizedException,
  type CanActivate,
  type ExecutionContext,
  type Logger,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { MessageBody, SubscribeMessage, WebSocketGateway, WebSocketServer, WsException } from '@nestjs/websockets';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { BehaviorSubject, NEVER, Observable, of } from 'rxjs';
import { UseConnectionGuards, type Server, type Socket } from 'nestwire';
import type { Socket as Client } from 'socket.io-client';
import { ConnectionGuards } from '../../lib/nest/connection-guards/connection-guards.js';
import { WsClient } from '../support/wire-websocket.js';
import { clientOf, guard, refusal, type Refused } from './guards-support.js';
import { afterCase, client, connect, deferred, expectNothingFatal, nestwire, next, startApp } from './support.js';

expectNothingFatal();

/** A gateway with one guard. */
function guarded(decide: (context: ExecutionContext) => unknown) {
  @WebSocketGateway()
  @UseConnectionGuards(guard(decide))
  class GuardedGateway {
    readonly connections: Socket[] = [];

    handleConnection(socket: Socket): void {
      this.connections.push(socket);
    }

    @SubscribeMessage('echo')
    echo(@MessageBody() data: unknown): unknown {
      return data;
    }
  }
  return GuardedGateway;
}

const TRANSPORTS = [['websocket'], ['polling'], ['polling', 'websocket']];

describe.each(TRANSPORTS.map((transports) => [transports.join(' and '), { transports }] as const))(
  'a connection guard, over %s',
  (_transports, options) => {
    it.each([
      ['a boolean', (ok: boolean) => ok],
      ['a promise', (ok: boolean) => Promise.resolve(ok)],
      ['an Observable', (ok: boolean) => of(!ok, ok)],
      ['a promise of an Observable', (ok: boolean) => Promise.resolve(of(ok))],
    ])('decides by %s', async (_how, say) => {
      const Gateway = guarded((context) => say(clientOf(context).handshake.auth['ok'] as boolean));
      const { app, url } = await startApp({ providers: [Gateway] });
      const socket = await connect(url, { ...options, auth: { ok: true } });
      expect(await socket.emitWithAck('echo', 1)).toBe(1);
      expect(await refusal(url, { ...options, auth: { ok: false } })).toMatchObject({
        message: 'Forbidden resource',
        data: {
          status: 'error',
          code: 'FORBIDDEN',
          statusCode: 403,
          message: 'Forbidden resource',
          error: 'Forbidden',
        },
      });
      expect(app.get(Gateway).connections).toHaveLength(1);
    });

    it('lets no packet get lost that a client sends from then on', async () => {
      const release = deferred<boolean>();
      const asked = deferred();
      const received: unknown[] = [];
      @WebSocketGateway()
      @UseConnectionGuards(
        guard(() => {
          asked.resolve();
          return release.promise;
        }),
      )
      class Gateway {
        @SubscribeMessage('event')
        event(@MessageBody() data: unknown): void {
          received.push(data);
        }

        @SubscribeMessage('end')
        end(): unknown[] {
          return received;
        }
      }
      const { url } = await startApp({ providers: [Gateway] });
      const socket = client(url, options);
      socket.on('connect', () => socket.emit('event', 'on connect'));
      socket.connect();
      socket.emit('event', 'before it is connected');
      await asked.promise;
      socket.emit('event', 'while guards run');
      release.resolve(true);
      expect(await socket.emitWithAck('end')).toEqual(['before it is connected', 'while guards run', 'on connect']);
    });
  },
);

describe('a refusal', () => {
  const REFUSALS: [what: string, exception: () => unknown, message: string, data: object][] = [
    ['a WsException', () => new WsException('no seat'), 'no seat', { code: 'REFUSED', message: 'no seat' }],
    [
      'a WsException with an object',
      () => new WsException({ code: 'TOKEN_EXPIRED', message: 'Sign in again', refresh: '/token' }),
      'Sign in again',
      { code: 'TOKEN_EXPIRED', message: 'Sign in again', refresh: '/token' },
    ],
    [
      'a WsException whose object names a status',
      () => new WsException({ status: 'full' }),
      'Ws Exception',
      { status: 'full', code: 'REFUSED', message: 'Ws Exception' },
    ],
    [
      'an UnauthorizedException',
      () => new UnauthorizedException(),
      'Unauthorized',
      { code: 'UNAUTHORIZED', statusCode: 401, message: 'Unauthorized' },
    ],
    [
      'an HttpException with details',
      () => new ForbiddenException({ message: ['not', 'you'], code: 17, until: 'May' }),
      'Forbidden Exception',
      { code: 17, statusCode: 403, message: ['not', 'you'], until: 'May' },
    ],
    [
      'an HttpException with text',
      () => new HttpException('slow down', 429),
      'slow down',
      { code: 'TOO_MANY_REQUESTS', statusCode: 429, message: 'slow down' },
    ],
    [
      'an HttpException with a status of its own',
      () => new HttpException('odd', 499),
      'odd',
      { code: 'REFUSED', statusCode: 499, message: 'odd' },
    ],
  ];

  it.each(REFUSALS)('is told: %s', async (_what, exception, message, data) => {
    const { url, logger } = await startApp({
      providers: [
        guarded(() => {
          throw exception();
        }),
      ],
    });
    const error = await refusal(url);
    expect(error).toBeInstanceOf(Error);
    expect([error.message, error.data]).toEqual([message, { status: 'error', ...data }]);
    // it is what guards are for, and not worth a line
    expect([...logger.errors, ...logger.warnings]).toEqual([]);
  });

  it('leaves other namespaces of the client alone, and may be followed by another try', async () => {
    @WebSocketGateway({ namespace: 'side' })
    class SideGateway {
      @SubscribeMessage('echo')
      echo(@MessageBody() data: unknown): unknown {
        return data;
      }
    }
    const Gateway = guarded((context) => clientOf(context).handshake.auth['token'] === 'fresh');
    const { url } = await startApp({ providers: [Gateway, SideGateway] });
    const side = await connect(`${url}/side`);
    const auth = { token: 'stale' };
    const refused = side.io.socket('/', { auth });
    afterCase(() => refused.disconnect());
    const error = next(refused, 'connect_error') as Promise<Refused>;
    refused.connect();
    expect((await error).data.code).toBe('FORBIDDEN');
    expect(await side.emitWithAck('echo', 1)).toBe(1);
    auth.token = 'fresh';
    refused.connect();
    await next(refused, 'connect');
    expect(await refused.emitWithAck('echo', 2)).toBe(2);
  });

  it('is an error event with the data to a client of Socket.IO 2', async () => {
    const connectOld = createRequire(import.meta.url)('socket.io-client-2') as (url: string, options: object) => Client;
    const Gateway = guarded((context) => {
      const { auth, query } = clientOf(context).handshake;
      expect(auth).toEqual({});
      if (query['token'] === 'good') return true;
      throw new UnauthorizedException();
    });
    const { app, url } = await startApp({ providers: [Gateway], adapter: nestwire({ allowEIO3: true }) });
    const dial = (token: string): Client => {
      const socket = connectOld(url, { query: { token }, transports: ['websocket'], forceNew: true });
      afterCase(() => socket.close());
      return socket;
    };
    const refused = dial('bad');
    const data = { status: 'error', code: 'UNAUTHORIZED', statusCode: 401, message: 'Unauthorized' };
    expect(await next(refused, 'error')).toEqual(data);
    const accepted = dial('good');
    accepted.emit('echo', 'before it is connected', (answer: unknown) => answered.resolve(answer));
    const answered = deferred<unknown>();
    expect(await answered.promise).toBe('before it is connected');
    expect(app.get(Gateway).connections).toHaveLength(1);
  });
});

describe('a guard that fails for a reason of its own', () => {
  const FAILURES: [what: string, exception: () => unknown, logged: string][] = [
    ['an error', () => new Error('database down'), 'database down'],
    ['no error at all', () => 'database down', 'database down'],
    ['an HttpException of the server', () => new InternalServerErrorException('oops'), 'oops'],
    ['an HttpException that asks to wait', () => new ServiceUnavailableException('restarting'), 'restarting'],
  ];

  it.each(
    FAILURES.flatMap(([what, ...rest]) =>
      TRANSPORTS.map((transports) => [`${what}, over ${transports}`, transports, ...rest] as const),
    ),
  )('makes a stock client try again, and is logged once: %s', async (_what, transports, exception, logged) => {
    let down = true;
    const Gateway = guarded(() => {
      if (down) throw exception();
      return true;
    });
    const { url, logger } = await startApp({ providers: [Gateway] });
    const socket = client(url, { transports, reconnection: true, reconnectionDelay: 5, reconnectionDelayMax: 10 });
    const errors: unknown[] = [];
    socket.on('connect_error', (error) => errors.push(error));
    const gone = next(socket, 'disconnect') as Promise<[string]>;
    socket.connect();
    expect((await gone)[0]).toBe('transport close');
    expect(logger.errorTexts()).toEqual([logged]);
    down = false;
    await next(socket, 'connect');
    expect(errors).toEqual([]);
  });

  it('is one that says nothing', async () => {
    const { url, logger } = await startApp({ providers: [guarded(() => new Observable((one) => one.complete()))] });
    const socket = client(url);
    const gone = next(socket, 'disconnect');
    socket.connect();
    await gone;
    expect(logger.errorTexts()).toEqual(['no elements in sequence']);
  });

  it.each([
    ['a promise', () => new Promise(() => {})],
    ['an Observable', () => NEVER],
    ['an Observable that does not end', () => new BehaviorSubject(true)],
  ])('is one that does not decide in time: %s', async (_what, say) => {
    let slow = true;
    const later: unknown[] = [];
    @Injectable()
    class SlowGuard implements CanActivate {
      canActivate(): any {
        return slow ? say() : true;
      }
    }
    @WebSocketGateway({ namespace: 'slow' })
    @UseConnectionGuards(SlowGuard, guard(() => later.push('asked')))
    class SlowGateway {}
    const adapter = nestwire({ connectionGuardTimeout: 40 });
    const { url, logger } = await startApp({ providers: [SlowGateway], adapter });
    const socket = client(`${url}/slow`, { reconnection: true, reconnectionDelay: 5, reconnectionDelayMax: 10 });
    const gone = next(socket, 'disconnect') as Promise<[string]>;
    socket.connect();
    expect((await gone)[0]).toBe('transport close');
    expect([logger.errorTexts(), later]).toEqual([[expect.stringMatching(/^SlowGuard.*\/slow.* 40 ms/)], []]);
    slow = false;
    await next(socket, 'connect');
    expect(later).toEqual(['asked']);
  });

  it('after its client has gone is nobody’s concern', async () => {
    const asked = deferred<Socket>();
    const release = deferred();
    const later: unknown[] = [];
    @WebSocketGateway()
    @UseConnectionGuards(
      guard(async (context) => {
        asked.resolve(clientOf(context));
        await release.promise;
        throw new Error('too late');
      }),
      guard(() => later.push('asked')),
    )
    class Gateway {
      @WebSocketServer() server!: Server;
      handleConnection(): void {
        later.push('connected');
      }
    }
    const { app, url, logger } = await startApp({ providers: [Gateway] });
    const socket = client(url);
    socket.connect();
    const { conn } = await asked.promise;
    const closed = new Promise((resolve) => conn.once('close', resolve));
    socket.io.engine.close();
    await closed;
    release.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    expect([later, logger.errors]).toEqual([[], []]);
    expect(app.get(Gateway).server.of('/').sockets.size).toBe(0);
  });

  it('unsubscribes from an Observable when its client goes', async () => {
    const subscribed = deferred<Socket>();
    const unsubscribed = deferred();
    const Gateway = guarded((context) => {
      return new Observable(() => {
        subscribed.resolve(clientOf(context));
        return () => unsubscribed.resolve();
      });
    });
    const { url } = await startApp({ providers: [Gateway] });
    const socket = client(url);
    socket.connect();
    await subscribed.promise;
    socket.io.engine.close();
    await unsubscribed.promise;
  });
});

describe('what a guard gets', () => {
  it('is a context as for a message', async () => {
    const seen: unknown[] = [];
    @WebSocketGateway({ namespace: 'seen' })
    @UseConnectionGuards(
      guard((context) => {
        const ws = context.switchToWs();
        const socket = ws.getClient<Socket>();
        seen.push([context.getType(), ws.getData(), ws.getPattern(), context.getClass(), context.getHandler()]);
        seen.push(context.getArgs().length, context.getArgByIndex(0) === socket);
        seen.push([socket.connected, socket.nsp.name, socket.handshake.headers['x-test'], typeof socket.id]);
        return true;
      }),
    )
    class SeenGateway {
      handleConnection(): void {}
    }
    const { url } = await startApp({ providers: [SeenGateway] });
    await connect(`${url}/seen`, { auth: { token: 't' }, extraHeaders: { 'x-test': '1' } });
    expect(seen).toEqual([
      ['ws', { token: 't' }, 'connection', SeenGateway, SeenGateway.prototype.handleConnection],
      4,
      true,
      [false, '/seen', '1', 'string'],
    ]);
  });

  it('has the metadata of the gateway and its handleConnection for a Reflector', async () => {
    const Role = Reflector.createDecorator<string>();
    @Injectable()
    class RoleGuard implements CanActivate {
      constructor(@Inject(Reflector) private readonly reflector: Reflector) {}
      canActivate(context: ExecutionContext): boolean {
        const role = this.reflector.getAllAndOverride(Role, [context.getHandler(), context.getClass()]);
        return clientOf(context).handshake.auth['role'] === role;
      }
    }
    @WebSocketGateway({ namespace: 'method' })
    @UseConnectionGuards(RoleGuard)
    @Role('of the class')
    class MethodGateway {
      @Role('of the method')
      handleConnection(): void {}
    }
    @WebSocketGateway({ namespace: 'class' })
    @UseConnectionGuards(RoleGuard)
    @Role('of the class')
    class ClassGateway {}
    const { url } = await startApp({ providers: [MethodGateway, ClassGateway] });
    await connect(`${url}/method`, { auth: { role: 'of the method' } });
    await connect(`${url}/class`, { auth: { role: 'of the class' } });
    expect((await refusal(`${url}/method`, { auth: { role: 'of the class' } })).data.code).toBe('FORBIDDEN');
  });

  it('keeps what it puts on client.data, for the hooks and the handlers', async () => {
    @WebSocketGateway()
    @UseConnectionGuards(guard((context) => Object.assign(clientOf(context).data, { user: 'Ann' })))
    class DataGateway {
      handleConnection(socket: Socket): void {
        socket.emit('hello', socket.data);
      }
    }
    const { url } = await startApp({ providers: [DataGateway] });
    const socket = client(url);
    const hello = next(socket, 'hello');
    socket.connect();
    expect(await hello).toEqual({ user: 'Ann' });
  });
});

describe('a client that sends before it is let in', () => {
  it('is closed, and the log says so', async () => {
    const asked = deferred();
    const Gateway = guarded(() => {
      asked.resolve();
      return new Promise(() => {});
    });
    const { url, logger } = await startApp({ providers: [Gateway] });
    const early = new WsClient(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
    afterCase(() => early.cut());
    await early.opened;
    await early.send('40');
    await asked.promise;
    await early.send('42["echo",1]');
    await early.closed;
    expect(logger.warnings).toEqual(['A client of / sent before it was let in; its connection is closed']);
  });

  it('fills no log with its kind', () => {
    const lines: string[] = [];
    const logger = { warn: (line: string) => lines.push(line) } as unknown as Logger;
    const host = { logger, adapterType: Object, everywhere: [], timeout: 1, isStarting: () => false };
    const guards = new ConnectionGuards(host as never, []);
    const now = jest.spyOn(performance, 'now').mockReturnValue(5000);
    afterCase(() => now.mockRestore());
    for (let times = 0; times < 3; times += 1) guards.violated('/', 'sent early');
    now.mockReturnValue(6000);
    guards.violated('/', 'sent again');
    expect(lines).toEqual([expect.stringContaining('sent early'), expect.stringContaining('sent again')]);
  });
});

describe('recovery', () => {
  const revoked = new Set<unknown>();

  @WebSocketGateway()
  @UseConnectionGuards(
    guard(async (context) => {
      const socket = clientOf(context);
      await Promise.resolve();
      if (revoked.has(socket.handshake.auth['user'])) throw new UnauthorizedException('revoked');
      socket.data.role = socket.handshake.auth['role'];
      return true;
    }),
  )
  class FeedGateway {
    @WebSocketServer() server!: Server;
    readonly connected: Socket[] = [];

    handleConnection(socket: Socket): void {
      void socket.join('members');
      socket.data.kept ??= 1;
      this.connected.push(socket);
    }
  }

  afterEach(() => revoked.clear());

  /** A member who has lost his connection; `frames` is every packet that the server sends him from then on. */
  async function away(auth: Record<string, unknown>) {
    const { app, url } = await startApp({
      providers: [FeedGateway],
      adapter: nestwire({ connectionStateRecovery: { maxDisconnectionDuration: 60_000 } }),
    });
    const gateway = app.get(FeedGateway);
    const socket = await connect(url, { auth, reconnection: false });
    const before = next(socket, 'news');
    gateway.server.emit('news', 'before');
    await before;
    const [served] = gateway.connected;
    const gone = new Promise((resolve) => served!.once('disconnect', resolve));
    socket.io.engine.close();
    await gone;
    gateway.server.to('members').emit('news', 'secret');
    const frames: unknown[] = [];
    socket.io.on('open', () => socket.io.engine.on('data', (data: unknown) => frames.push(data)));
    return { gateway, socket, frames, id: served!.id };
  }

  it('lets a user whose right was taken meanwhile neither in nor have a single missed packet', async () => {
    const { socket, frames, gateway } = await away({ user: 'mallory', role: 'member' });
    revoked.add('mallory');
    const error = next(socket, 'connect_error') as Promise<Refused>;
    socket.connect();
    expect((await error).data).toMatchObject({ code: 'UNAUTHORIZED', statusCode: 401, message: 'revoked' });
    expect(frames).toEqual([expect.stringMatching(/^4\{"message":"revoked"/)]);
    expect(gateway.connected).toHaveLength(1);
  });

  it('gives one who may come back what was missed, with what the guard says now', async () => {
    const auth = { user: 'ann', role: 'member' };
    const { socket, frames, gateway, id } = await away(auth);
    auth.role = 'guest';
    const missed = next(socket, 'news') as Promise<[string]>;
    const connected = next(socket, 'connect');
    socket.connect();
    expect((await missed)[0]).toBe('secret');
    await connected;
    expect([socket.recovered, socket.id]).toEqual([true, id]);
    expect(gateway.connected[1]!.data).toEqual({ role: 'guest', kept: 1 });
    expect(frames).toHaveLength(2);
  });
});
