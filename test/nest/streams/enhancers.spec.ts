/** Guards, pipes, interceptors and filters of a stream method: wherever they are written, they decide on each message. */
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  applyDecorators,
  BadRequestException,
  Catch,
  Injectable,
  Scope,
  SetMetadata,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
  ValidationPipe,
  type ArgumentsHost,
  type CallHandler,
  type CanActivate,
  type ExceptionFilter,
  type ExecutionContext,
  type INestApplication,
  type NestInterceptor,
  type PipeTransform,
  type Provider,
} from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR, APP_PIPE, Reflector } from '@nestjs/core';
import { ConnectedSocket, MessageBody, SubscribeMessage, WebSocketGateway, WsException } from '@nestjs/websockets';
import { IsInt, IsString, ValidateNested } from 'class-validator';
import { Type } from 'class-transformer';
import { MessageStream, replyError, SubscribeStream, type Socket } from 'nestwire';
import {
  catchError,
  concat,
  defer,
  delay,
  EMPTY,
  finalize,
  from,
  ignoreElements,
  map,
  NEVER,
  of,
  tap,
  throwError,
  timeout,
  type Observable,
} from 'rxjs';
import { cleanUp, collect, connect, deferred, nestwire, next, startApp } from '../support.js';

afterEach(cleanUp);

/** Where something is written, besides the application. */
interface Places {
  class?: ClassDecorator;
  above?: MethodDecorator;
  below?: MethodDecorator;
  pipes?: PipeTransform[];
}

const nothing: ClassDecorator & MethodDecorator = applyDecorators();

/** A gateway with one stream, of "word", and an ordinary handler beside it. */
function makeGateway(seen: unknown[], places: Places = {}, options: { timeout?: number } = {}) {
  @WebSocketGateway()
  @((places.class ?? nothing) as ClassDecorator)
  class Gateway {
    @(places.above ?? nothing)
    @SubscribeStream('word', options)
    @(places.below ?? nothing)
    words(
      @ConnectedSocket() _client: Socket,
      @MessageStream(String, ...(places.pipes ?? [])) word$: Observable<string>,
    ): Observable<string> {
      return word$.pipe(
        tap((word) => seen.push(word)),
        ignoreElements(),
      );
    }

    @SubscribeMessage('plain')
    plain(@MessageBody() word: string): string {
      return word;
    }
  }
  return Gateway;
}

/** What is to be written, in all ways of one kind. */
interface Kind<T> {
  use(it: T): ClassDecorator & MethodDecorator;
  useGlobally(app: INestApplication, it: T): void;
  readonly token: string;
}

const GUARDS: Kind<CanActivate> = {
  use: (guard) => UseGuards(guard),
  useGlobally: (app, guard) => void app.useGlobalGuards(guard),
  token: APP_GUARD,
};
const PIPES: Kind<PipeTransform> = {
  use: (pipe) => UsePipes(pipe),
  useGlobally: (app, pipe) => void app.useGlobalPipes(pipe),
  token: APP_PIPE,
};
const INTERCEPTORS: Kind<NestInterceptor> = {
  use: (interceptor) => UseInterceptors(interceptor),
  useGlobally: (app, interceptor) => void app.useGlobalInterceptors(interceptor),
  token: APP_INTERCEPTOR,
};

interface Setup {
  places?: Places;
  providers?: Provider[];
  prepare?: (app: INestApplication) => void;
}

/** Every place of the application, the gateway and its method. */
function everywhere<T>({ use, useGlobally, token }: Kind<T>, it: T): [place: string, Setup][] {
  return [
    ['of the application', { prepare: (app) => useGlobally(app, it) }],
    [`by ${token.replace(/ .*/, '')}`, { providers: [{ provide: token, useValue: it }] }],
    ['of the gateway', { places: { class: use(it) } }],
    ['above the decorator', { places: { above: use(it) } }],
    ['below the decorator', { places: { below: use(it) } }],
  ];
}

const rows = <T>(kind: Kind<T>, styles: Record<string, T>): [style: string, place: string, Setup][] =>
  Object.entries(styles).flatMap(([style, it]) =>
    everywhere(kind, it).map(([place, setup]): [string, string, Setup] => [style, place, setup]),
  );

async function start({ places, providers = [], prepare }: Setup, options?: { timeout?: number }) {
  const seen: unknown[] = [];
  const running = await startApp({ providers: [makeGateway(seen, places, options), ...providers], prepare });
  return { ...running, seen, client: await connect(running.url) };
}

const dataOf = (context: ExecutionContext): unknown => context.switchToWs().getData();

describe('guards', () => {
  const styles: Record<string, CanActivate> = {
    'that answer at once': { canActivate: (context) => dataOf(context) !== 'no' },
    'that promise': { canActivate: async (context) => (await new Promise(setImmediate), dataOf(context) !== 'no') },
    'with an Observable': { canActivate: (context) => of(false, dataOf(context) !== 'no').pipe(delay(1)) },
    'that throw': {
      canActivate: (context) => {
        if (dataOf(context) === 'no') throw new WsException('Forbidden resource');
        return true;
      },
    },
    'that reject': {
      canActivate: (context) =>
        dataOf(context) === 'no' ? Promise.reject(new WsException('Forbidden resource')) : Promise.resolve(true),
    },
  };

  it.each(rows(GUARDS, styles))('%s, %s', async (_style, _place, setup) => {
    const { client, seen } = await start(setup);
    const answer = await client.emitWithAck('word', 'no');
    expect(answer).toEqual({ status: 'error', message: 'Forbidden resource' });
    const exception = next(client, 'exception');
    client.emit('word', 'no');
    client.emit('word', 'yes');
    expect(await exception).toEqual({ status: 'error', message: 'Forbidden resource' });
    expect(await client.emitWithAck('word', 'again')).toBeUndefined();
    expect(seen).toEqual(['yes', 'again']);
  });

  it('may be providers, with what is injected into them', async () => {
    @Injectable()
    class Words {
      readonly refused = 'no';
    }
    @Injectable()
    class WordGuard implements CanActivate {
      constructor(private readonly words: Words) {}
      canActivate(context: ExecutionContext): boolean {
        return dataOf(context) !== this.words.refused;
      }
    }
    const { client, seen } = await start({ places: { below: UseGuards(WordGuard) }, providers: [Words] });
    expect(await client.emitWithAck('word', 'no')).toMatchObject({ message: 'Forbidden resource' });
    expect(await client.emitWithAck('word', 'yes')).toBeUndefined();
    expect(seen).toEqual(['yes']);
  });

  it('know whose message it is, and read metadata written above and below the decorator', async () => {
    const contexts: unknown[] = [];
    let Gateway: object;
    const guard: CanActivate = {
      canActivate: (context) => {
        const reflector = new Reflector();
        contexts.push({
          type: context.getType(),
          class: context.getClass() === Gateway,
          handler: context.getHandler().name,
          above: reflector.getAllAndOverride<string>('above', [context.getHandler(), context.getClass()]),
          below: reflector.get<string>('below', context.getHandler()),
          ofClass: reflector.getAllAndMerge<string[]>('both', [context.getHandler(), context.getClass()]),
          pattern: context.switchToWs().getPattern(),
          data: context.switchToWs().getData<unknown>(),
          client: context.switchToWs().getClient<Socket>().id,
          ack: typeof context.getArgByIndex(2),
        });
        return true;
      },
    };
    const seen: unknown[] = [];
    Gateway = makeGateway(seen, {
      class: applyDecorators(UseGuards(guard), SetMetadata('both', ['class'])),
      above: applyDecorators(SetMetadata('above', 'a'), SetMetadata('both', ['method'])),
      below: SetMetadata('below', 'b'),
      pipes: [{ transform: (value: { word: string }) => value.word }],
    });
    const { url } = await startApp({ providers: [Gateway as never] });
    const client = await connect(url);
    await client.emitWithAck('word', { word: 'x' });
    client.emit('word', { word: 'y' });
    await client.emitWithAck('plain', 'z');
    expect(contexts.slice(0, 2)).toEqual(
      [
        { data: { word: 'x' }, ack: 'function' },
        { data: { word: 'y' }, ack: 'undefined' },
      ].map((message) => ({
        type: 'ws',
        class: true,
        handler: 'words',
        above: 'a',
        below: 'b',
        ofClass: ['method', 'class'],
        pattern: 'word',
        client: client.id,
        ...message,
      })),
    );
    expect(seen).toEqual(['x', 'y']);
  });

  it('of request scope make the gateway one that is made for each message, which is an error at start', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class RequestGuard implements CanActivate {
      canActivate(): boolean {
        return false;
      }
    }
    await expect(start({ places: { above: UseGuards(RequestGuard) } })).rejects.toThrow(
      /Gateway\.words\(\) is a stream, and Gateway is request-scoped.* its guards, pipes/,
    );
  });

  it('of request scope for the whole application are not asked for gateways, as in Nest', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class RequestGuard implements CanActivate {
      canActivate(): boolean {
        return false;
      }
    }
    const { client, seen } = await start({ providers: [{ provide: APP_GUARD, useClass: RequestGuard }] });
    expect(await client.emitWithAck('plain', 'x')).toBe('x');
    expect(await client.emitWithAck('word', 'x')).toBeUndefined();
    expect(seen).toEqual(['x']);
  });
});

describe('pipes', () => {
  const refuse = (value: unknown): string => {
    if (value === 'no') throw new BadRequestException(['word must not be no']);
    if (typeof value !== 'string') throw new TypeError('not mine');
    return `${value}!`;
  };
  /** Those of the application and the gateway get every parameter, as Nest has it. */
  const onlyMessages = (pipe: PipeTransform): PipeTransform => ({
    transform: (value, metadata) => (metadata.type === 'body' ? (pipe.transform(value, metadata) as unknown) : value),
  });
  const styles: Record<string, PipeTransform> = {
    'that answer at once': onlyMessages({ transform: refuse }),
    'that promise': onlyMessages({ transform: async (value) => (await new Promise(setImmediate), refuse(value)) }),
  };
  const message = { status: 'error', statusCode: 400, message: ['word must not be no'], error: 'Bad Request' };

  const inEveryPlace = [
    ...rows(PIPES, styles),
    ...Object.entries(styles).map(([style, it]): [string, string, Setup] => [
      style,
      'of the parameter',
      { places: { pipes: [it] } },
    ]),
  ];

  it.each(inEveryPlace)('%s, %s', async (_style, _place, setup) => {
    const { client, seen } = await start(setup);
    expect(await client.emitWithAck('word', 'no')).toEqual(message);
    const exception = next(client, 'exception');
    client.emit('word', 'no');
    client.emit('word', 'yes');
    expect(await exception).toEqual(message);
    expect(await client.emitWithAck('word', 'again')).toBeUndefined();
    expect(seen).toEqual(['yes!', 'again!']);
  });

  it.each<[string, Places]>([
    ['above the decorator', { above: UsePipes({ transform: refuse }) }],
    ['below the decorator', { below: UsePipes({ transform: refuse }) }],
    ['of the parameter', { pipes: [{ transform: refuse }] }],
  ])('%s are given messages and nothing else', async (_place, places) => {
    const { client, seen } = await start({ places });
    expect(await client.emitWithAck('word', 'yes')).toBeUndefined();
    expect(await client.emitWithAck('word', 5)).toMatchObject({ message: 'Internal server error' });
    expect(seen).toEqual(['yes!']);
  });

  it('run from the outside to the inside', async () => {
    const append = (text: string): PipeTransform => ({
      transform: (value: unknown) => (typeof value === 'string' ? `${value} ${text}` : value),
    });
    const { client, seen } = await start({
      prepare: (app) => void app.useGlobalPipes(append('application')),
      places: {
        class: UsePipes(append('gateway')),
        above: UsePipes(append('above')),
        below: UsePipes(append('below')),
        pipes: [append('parameter'), append('parameter 2')],
      },
    });
    await client.emitWithAck('word', 'x');
    expect(seen).toEqual(['x application gateway below above parameter parameter 2']);
  });

  it('may be providers, with what is injected into them', async () => {
    @Injectable()
    class Dictionary {
      readonly words = new Map([['uno', 'one']]);
    }
    @Injectable()
    class TranslatePipe implements PipeTransform {
      constructor(private readonly dictionary: Dictionary) {}
      transform(word: string): string {
        return this.dictionary.words.get(word) ?? word;
      }
    }
    for (const places of [
      { above: UsePipes(TranslatePipe) },
      { below: UsePipes(TranslatePipe) },
      { pipes: [TranslatePipe as never] },
    ] satisfies Places[]) {
      // oxlint-disable-next-line no-await-in-loop
      const { client, seen } = await start({ places, providers: [Dictionary] });
      // oxlint-disable-next-line no-await-in-loop
      await client.emitWithAck('word', 'uno');
      expect(seen).toEqual(['one']);
    }
  });

  it('tell the sender every detail of what is wrong', async () => {
    class PointDto {
      @IsInt() x!: number;
      @IsInt() y!: number;
    }
    class LineDto {
      @IsString() name!: string;
      @ValidateNested()
      @Type(() => PointDto)
      from!: PointDto;
    }
    const seen: unknown[] = [];
    @WebSocketGateway()
    class Gateway {
      @UsePipes(new ValidationPipe({ transform: true, whitelist: true }))
      @SubscribeStream('line')
      lines(@MessageStream(LineDto) line$: Observable<LineDto>): void {
        line$.subscribe((line) => seen.push(line));
      }
    }
    const { url } = await startApp({ providers: [Gateway] });
    const client = await connect(url);
    expect(await client.emitWithAck('line', { from: { x: 1, y: 'two' } })).toEqual({
      status: 'error',
      statusCode: 400,
      error: 'Bad Request',
      message: ['name must be a string', 'from.y must be an integer number'],
    });
    expect(await client.emitWithAck('line', null)).toMatchObject({ status: 'error', statusCode: 400 });
    await client.emitWithAck('line', { name: 'a', from: { x: 1, y: 2, z: 3 } });
    expect(seen).toEqual([
      Object.assign(new LineDto(), { name: 'a', from: Object.assign(new PointDto(), { x: 1, y: 2 }) }),
    ]);
    expect(seen[0]).toBeInstanceOf(LineDto);
  });

  it('of a gateway that do not look at what they are given refuse every message, and say so', async () => {
    const { client, seen } = await start({ places: { class: UsePipes({ transform: refuse }) } });
    expect(await client.emitWithAck('word', 'yes')).toMatchObject({
      status: 'error',
      message: 'Internal server error',
    });
    expect(seen).toEqual([]);
  });
});

describe('interceptors', () => {
  const refuse = (context: ExecutionContext, next: CallHandler): Observable<unknown> =>
    dataOf(context) === 'no' ? throwError(() => new WsException('intercepted')) : next.handle();
  const styles: Record<string, NestInterceptor> = {
    'that answer at once': { intercept: refuse },
    'that promise': { intercept: async (context, next) => (await new Promise(setImmediate), refuse(context, next)) },
    'that begin later': { intercept: (context, next) => defer(() => refuse(context, next)).pipe(delay(1)) },
    'that throw': {
      intercept: (context, next) => {
        if (dataOf(context) === 'no') throw new WsException('intercepted');
        return next.handle();
      },
    },
  };

  it.each(rows(INTERCEPTORS, styles))('%s, %s', async (_style, _place, setup) => {
    const { client, seen } = await start(setup);
    const message = { status: 'error', message: 'intercepted' };
    expect(await client.emitWithAck('word', 'no')).toEqual(message);
    const exception = next(client, 'exception');
    client.emit('word', 'no');
    client.emit('word', 'yes');
    expect(await exception).toEqual(message);
    expect(await client.emitWithAck('word', 'again')).toBeUndefined();
    expect(seen).toEqual(['yes', 'again']);
  });

  it('run after guards and around pipes and the admission of each message, from the outside to the inside', async () => {
    const steps: unknown[] = [];
    const log = (name: string): NestInterceptor => ({
      intercept: (_context, next) => {
        steps.push(`${name} before`);
        return next.handle().pipe(tap({ next: (value) => steps.push(`${name} after`, value) }));
      },
    });
    @WebSocketGateway()
    @UseInterceptors(log('gateway'))
    class Gateway {
      @UseInterceptors(log('above'))
      @UseGuards({ canActivate: () => steps.push('guard') > 0 })
      @SubscribeStream('word')
      @UseInterceptors(log('below'))
      words(
        @MessageStream(String, { transform: (value: string) => (steps.push('pipe'), value) }) word$: Observable<string>,
      ): void {
        word$.subscribe((word) => steps.push(word));
      }
    }
    const { url } = await startApp({
      providers: [Gateway],
      prepare: (app) => void app.useGlobalInterceptors(log('application')),
    });
    const client = await connect(url);
    client.emit('word', 'x');
    await client.emitWithAck('word', 'y');
    const order = (word: string): unknown[] => [
      'guard',
      ...['application', 'gateway', 'below', 'above'].map((name) => `${name} before`),
      'pipe',
      word,
      ...['above', 'below', 'gateway', 'application'].flatMap((name) => [`${name} after`, undefined]),
    ];
    expect(steps).toEqual([...order('x'), ...order('y')]);
  });

  it('give nothing to the client, whatever they return', async () => {
    const shout: NestInterceptor = {
      intercept: (_context, next) =>
        concat(
          of({ event: 'leak', data: 1 }, 'leak'),
          next.handle().pipe(map((value) => ({ event: 'leak', data: value }))),
          from(['late leak']),
        ),
    };
    const { client, seen } = await start({ places: { class: UseInterceptors(shout) } });
    const events: unknown[] = [];
    client.onAny((...args: unknown[]) => events.push(args));
    const answers: unknown[] = [];
    client.emit('word', 'x', (...answer: unknown[]) => answers.push(answer));
    await client.emitWithAck('word', 'y');
    await client.emitWithAck('plain', 'z');
    expect(answers).toEqual([[]]);
    expect(seen).toEqual(['x', 'y']);
    // from the ordinary handler, where it is meant to go
    expect(events).toEqual([['leak', 1], ['leak', 'z']]); // prettier-ignore
  });

  it('that do not call handle() keep the message out, and the next one comes in', async () => {
    const cache: NestInterceptor = {
      intercept: (context, next) =>
        dataOf(context) === 'cached' ? of('from the cache') : dataOf(context) === 'empty' ? EMPTY : next.handle(),
    };
    const { client, seen } = await start({ places: { above: UseInterceptors(cache) } });
    const events: unknown[] = [];
    client.onAny((...args: unknown[]) => events.push(args));
    const answers: unknown[] = [];
    client.emit('word', 'cached', (...answer: unknown[]) => answers.push(answer));
    client.emit('word', 'empty', (...answer: unknown[]) => answers.push(answer));
    await client.emitWithAck('word', 'x');
    expect(seen).toEqual(['x']);
    expect([...answers, ...events]).toEqual([]);
  });

  it('that call handle() and do not end are waited for until the time is over; the message is in', async () => {
    const ended = deferred();
    const endless: NestInterceptor = {
      intercept: (context, next) =>
        dataOf(context) === 'endless'
          ? concat(next.handle(), NEVER).pipe(finalize(() => ended.resolve()))
          : next.handle(),
    };
    const { client, seen, logger } = await start({ places: { above: UseInterceptors(endless) } }, { timeout: 50 });
    const exceptions = collect(client, 'exception');
    const order: string[] = [];
    const first = client.emitWithAck('word', 'endless').then(() => order.push('endless'));
    const second = client.emitWithAck('word', 'next').then(() => order.push('next'));
    await Promise.all([first, second, ended.promise]);
    expect(order).toEqual(['endless', 'next']);
    expect(seen).toEqual(['endless', 'next']);
    await client.emitWithAck('plain', 1);
    expect(exceptions).toEqual([]);
    expect(logger.warnings).toEqual(['Gateway.words(): the interceptors of a message had not ended after 50 ms']);
  });

  it('that never call handle() nor end are timed out, and their message is refused', async () => {
    const ended = deferred();
    const stuck: NestInterceptor = {
      intercept: (context, next) =>
        dataOf(context) === 'stuck' ? NEVER.pipe(finalize(() => ended.resolve())) : next.handle(),
    };
    const { client, seen } = await start({ places: { above: UseInterceptors(stuck) } }, { timeout: 50 });
    const answer = client.emitWithAck('word', 'stuck');
    await client.emitWithAck('word', 'next');
    expect(await answer).toEqual({ status: 'error', code: 'timeout', message: '"word" took too long' });
    await ended.promise;
    expect(seen).toEqual(['next']);
  });

  it('that give up on a message keep it out, even if its pipes are done later', async () => {
    const open = deferred();
    const piped = deferred();
    const slow: PipeTransform = {
      transform: async (value: string) => {
        if (value !== 'slow') return value;
        await open.promise;
        piped.resolve();
        return value;
      },
    };
    const limit: NestInterceptor = {
      intercept: (_context, next) =>
        next.handle().pipe(
          timeout(20),
          catchError(() => throwError(() => new WsException('too slow'))),
        ),
    };
    const { client, seen } = await start({ places: { above: UseInterceptors(limit), pipes: [slow] } });
    expect(await client.emitWithAck('word', 'slow')).toEqual({ status: 'error', message: 'too slow' });
    open.resolve();
    await piped.promise;
    await client.emitWithAck('word', 'next');
    expect(seen).toEqual(['next']);
  });

  it('that fail after the admission cannot take it back; the sender hears of it', async () => {
    const failing: NestInterceptor = {
      intercept: (context, next) =>
        next.handle().pipe(
          map((value) => {
            if (dataOf(context) === 'fail') throw new WsException('afterwards');
            return value;
          }),
        ),
    };
    const { client, seen } = await start({ places: { above: UseInterceptors(failing) } });
    const exception = next(client, 'exception');
    expect(await client.emitWithAck('word', 'fail')).toBeUndefined();
    expect(await exception).toEqual({ status: 'error', message: 'afterwards' });
    await client.emitWithAck('word', 'next');
    expect(seen).toEqual(['fail', 'next']);
  });
});

describe('filters', () => {
  @Catch(WsException)
  class WordFilter implements ExceptionFilter {
    catch(exception: WsException, host: ArgumentsHost): void {
      const { getClient, getData, getPattern } = host.switchToWs();
      replyError(host, ['word filter', exception.message, getPattern(), getData(), getClient<Socket>().id]);
    }
  }
  const refuse: Record<string, MethodDecorator> = {
    'a guard': UseGuards({ canActivate: (context) => dataOf(context) !== 'no' }),
    'a pipe': UsePipes({
      transform: (value: unknown) => {
        if (value === 'no') throw new WsException('Forbidden resource');
        return value;
      },
    }),
    'an interceptor': UseInterceptors({
      intercept: (context: ExecutionContext, next: CallHandler) => {
        if (dataOf(context) === 'no') throw new WsException('Forbidden resource');
        return next.handle();
      },
    }),
    'the result of an interceptor': UseInterceptors({
      intercept: (context: ExecutionContext, next: CallHandler) =>
        dataOf(context) === 'no' ? throwError(() => new WsException('Forbidden resource')) : next.handle(),
    }),
  };
  const places: [
    string,
    (decorators: { filter: ClassDecorator & MethodDecorator; refuse: MethodDecorator }) => Places,
  ][] = [
    ['of the gateway', ({ filter, refuse }) => ({ class: filter, above: refuse })],
    ['above the decorator', ({ filter, refuse }) => ({ above: filter, below: refuse })],
    ['below the decorator', ({ filter, refuse }) => ({ below: filter, above: refuse })],
  ];
  const table = Object.entries(refuse).flatMap(([who, decorator]) =>
    places.map(
      ([place, make]) => [who, place, make({ filter: UseFilters(new WordFilter()), refuse: decorator })] as const,
    ),
  );

  it.each(table)('get what %s throws: %s', async (_who, _place, setup) => {
    const { client, seen } = await start({ places: setup });
    const answer = ['word filter', 'Forbidden resource', 'word', 'no', client.id];
    expect(await client.emitWithAck('word', 'no')).toEqual(answer);
    const exception = next(client, 'exception');
    client.emit('word', 'no');
    expect(await exception).toEqual(answer);
    await client.emitWithAck('word', 'yes');
    expect(seen).toEqual(['yes']);
  });

  it.each<[string, Places]>([
    ['of the gateway', { class: UseFilters(WordFilter) }],
    ['above the decorator', { above: UseFilters(WordFilter) }],
    ['below the decorator', { below: UseFilters(WordFilter) }],
  ])('get what the queue refuses: %s', async (_place, filters) => {
    const stuck = UseGuards({ canActivate: () => new Promise<boolean>(() => {}) });
    const { client } = await start(
      { places: { ...filters, above: applyDecorators(filters.above ?? nothing, stuck) } },
      { timeout: 50 },
    );
    const answer = ['word filter', '"word" took too long', 'word', 'x', client.id];
    expect(await client.emitWithAck('word', 'x')).toEqual(answer);
  });

  it('that throw keep nothing up', async () => {
    const rethrow: ExceptionFilter = {
      catch: (exception: unknown) => {
        throw exception;
      },
    };
    for (const above of [refuse['a guard']!, refuse['the result of an interceptor']!]) {
      // oxlint-disable-next-line no-await-in-loop
      const { client, seen, logger } = await start({ places: { class: UseFilters(rethrow), above } });
      client.emit('word', 'no');
      // oxlint-disable-next-line no-await-in-loop
      await client.emitWithAck('word', 'yes');
      expect(seen).toEqual(['yes']);
      expect(logger.errorTexts()).toEqual(['Forbidden resource']);
    }
  });

  it('of the application are not asked, as in Nest', async () => {
    const asked: unknown[] = [];
    const filter: ExceptionFilter = { catch: (exception: unknown) => void asked.push(exception) };
    const { client } = await start({
      places: { above: refuse['a guard'] },
      providers: [{ provide: APP_FILTER, useValue: filter }],
      prepare: (app) => void app.useGlobalFilters(filter),
    });
    expect(await client.emitWithAck('word', 'no')).toEqual({ status: 'error', message: 'Forbidden resource' });
    expect(asked).toEqual([]);
  });

  it('are not asked for the acknowledgement with errors: nest, which is what Nest does', async () => {
    const seen: unknown[] = [];
    const { url } = await startApp({
      providers: [makeGateway(seen, { above: refuse['a guard'] })],
      adapter: nestwire({ errors: 'nest' }),
    });
    const client = await connect(url);
    const answers: unknown[] = [];
    const exception = next(client, 'exception');
    client.emit('word', 'no', (...answer: unknown[]) => answers.push(answer));
    expect(await exception).toEqual({
      status: 'error',
      message: 'Forbidden resource',
      cause: { pattern: 'word', data: 'no' },
    });
    await client.emitWithAck('word', 'yes');
    expect(answers).toEqual([]);
    expect(seen).toEqual(['yes']);
  });
});
