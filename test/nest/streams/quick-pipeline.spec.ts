/**
 * From its second message on a stream without interceptors takes another way through Nest's guards and pipes. Nobody may notice:
 * each case asks the same of the first message and of a later one.
 */
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  BadRequestException,
  Catch,
  ForbiddenException,
  Injectable,
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
  type Type,
} from '@nestjs/common';
import { APP_GUARD, APP_INTERCEPTOR, APP_PIPE, Reflector } from '@nestjs/core';
import { WebSocketGateway, WsException } from '@nestjs/websockets';
import { IsString } from 'class-validator';
import { MessageStream, NestwireAdapter, replyError, SubscribeStream, type Socket as Client } from 'nestwire';
import { ignoreElements, isObservable, of, tap, throwError, type Observable } from 'rxjs';
import type { Socket } from 'socket.io-client';
import { asRefusal, quickPipeline } from '../../../lib/nest/streams/quick-pipeline.js';
import { cleanUp, connect, next, startApp, type StartOptions } from '../support.js';

afterEach(cleanUp);

type Decorator = ClassDecorator & MethodDecorator;
const nothing: Decorator = () => {};

interface Places {
  class?: Decorator;
  above?: Decorator;
  below?: Decorator;
  pipes?: PipeTransform[];
  type?: Type;
  timeout?: number;
}

/** A gateway with a stream, which puts into `seen` what gets into it. */
function makeGateway(seen: unknown[], places: Places): Type {
  @WebSocketGateway()
  @((places.class ?? nothing) as ClassDecorator)
  class Gateway {
    @(places.above ?? nothing)
    @SubscribeStream('word', { timeout: places.timeout ?? 10_000 })
    @(places.below ?? nothing)
    words(
      @MessageStream(places.type ?? Object, ...(places.pipes ?? [])) word$: Observable<unknown>,
    ): Observable<unknown> {
      return word$.pipe(
        tap((word) => seen.push(word)),
        ignoreElements(),
      );
    }
  }
  return Gateway;
}

/** What a message comes to: its acknowledgement, the `exception` where it asked for none, and what got into the stream. */
interface Outcome {
  answer: unknown;
  exception: unknown;
  seen: unknown[];
}

async function outcome(socket: Socket, seen: unknown[], message: unknown): Promise<Outcome> {
  seen.length = 0;
  const answer: unknown = await socket.emitWithAck('word', message);
  const exceptions: unknown[] = [];
  const listener = (exception: unknown): unknown => exceptions.push(exception);
  socket.on('exception', listener);
  socket.emit('word', message);
  // admitted one after the other: by the answer to this one the other is through
  await socket.emitWithAck('word', 'good');
  socket.off('exception', listener);
  return { answer, exception: exceptions[0], seen: [...seen] };
}

/** Sends a message to a stream that has had none yet, and to one that has. */
async function firstAndLater(message: unknown, places: Places, start: StartOptions = {}): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const isWarm of [false, true]) {
    const seen: unknown[] = [];
    // two applications, one after the other
    // oxlint-disable no-await-in-loop
    const { url } = await startApp({
      ...start,
      providers: [makeGateway(seen, places), ...(start.providers ?? [])],
    });
    const socket = await connect(url);
    if (isWarm) expect(await socket.emitWithAck('word', 'good')).toBeUndefined();
    outcomes.push(await outcome(socket, seen, message));
    await cleanUp();
    // oxlint-enable no-await-in-loop
  }
  return outcomes;
}

/** Refuses "bad" in its own way. */
function guard(refuse: () => ReturnType<CanActivate['canActivate']>): CanActivate {
  return {
    canActivate: (context: ExecutionContext) => (context.switchToWs().getData<unknown>() === 'bad' ? refuse() : true),
  };
}

const fail = (error: unknown) => (): never => {
  throw error;
};

const FORBIDDEN = { status: 'error', message: 'Forbidden resource' };

describe('a guard', () => {
  it.each<[string, () => ReturnType<CanActivate['canActivate']>, object]>([
    ['says no', () => false, FORBIDDEN],
    ['promises no', () => Promise.resolve(false), FORBIDDEN],
    ['says no by an Observable', () => of(true, false), FORBIDDEN],
    ['throws a WsException', fail(new WsException('no')), { status: 'error', message: 'no' }],
    ['throws an object', fail(new WsException({ code: 7 })), { code: 7 }],
    [
      'throws an HttpException',
      fail(new ForbiddenException('members only')),
      { status: 'error', statusCode: 403, error: 'Forbidden', message: 'members only' },
    ],
    ['fails', fail(new Error('secret')), { status: 'error', message: 'Internal server error' }],
    ['fails later', () => Promise.reject(new Error('secret')), { status: 'error', message: 'Internal server error' }],
    ['fails by an Observable', () => throwError(() => new WsException('no')), { status: 'error', message: 'no' }],
  ])('that %s is answered alike', async (_how, refuse, said) => {
    const [first, later] = await firstAndLater('bad', { above: UseGuards(guard(refuse)) });
    expect(later).toEqual(first);
    expect(later!.answer).toMatchObject(said);
    expect(later!.exception).toMatchObject(said);
    expect(later!.seen).toEqual(['good']);
  });

  const deny = guard(() => false);

  @Injectable()
  class DenyingGuard implements CanActivate {
    constructor(private readonly reflector: Reflector) {}

    canActivate(context: ExecutionContext): boolean {
      expect(this.reflector.get('role', context.getHandler())).toBe('writer');
      expect(context.getHandler().name).toBe('words');
      return deny.canActivate(context) as boolean;
    }
  }

  const role = SetMetadata('role', 'writer');
  it.each<[string, Places, StartOptions?]>([
    ['the class', { class: UseGuards(deny) }],
    ['the method, above', { above: UseGuards(deny) }],
    ['the method, below', { below: UseGuards(deny) }],
    ['the method, a class that Nest makes', { above: UseGuards(DenyingGuard), below: role }],
    ['the gateway, a class that Nest makes', { class: UseGuards(DenyingGuard), above: role }],
    ['the application', {}, { prepare: (app: INestApplication) => void app.useGlobalGuards(deny) }],
    ['a module', {}, { providers: [{ provide: APP_GUARD, useValue: deny } as Provider] }],
    ['a module, a class', { below: role }, { providers: [{ provide: APP_GUARD, useClass: DenyingGuard } as Provider] }],
  ])('of %s decides on later messages as on the first', async (_where, places, start = {}) => {
    const [first, later] = await firstAndLater('bad', places, start);
    expect(later).toEqual(first);
    expect(later).toMatchObject({ answer: FORBIDDEN, exception: FORBIDDEN, seen: ['good'] });
  });

  it('sees the same of a message', async () => {
    const contexts: unknown[] = [];
    const lengths: number[] = [];
    const look: CanActivate = {
      canActivate(context) {
        const ws = context.switchToWs();
        lengths.push(context.getArgs().length);
        contexts.push({
          type: context.getType(),
          class: context.getClass().name,
          handler: context.getHandler().name,
          data: ws.getData(),
          pattern: ws.getPattern(),
          hasClient: typeof ws.getClient<Client>().id,
          hasAck: typeof context.getArgByIndex(2),
        });
        return true;
      },
    };
    const { url } = await startApp({ providers: [makeGateway([], { above: UseGuards(look) })] });
    const socket = await connect(url);
    for (let i = 0; i < 3; i++) {
      // the second is not sent before the first is in
      // oxlint-disable-next-line no-await-in-loop
      await socket.emitWithAck('word', 'good');
    }
    expect(contexts).toHaveLength(3);
    expect(contexts[0]).toMatchObject({ type: 'ws', handler: 'words', data: 'good', pattern: 'word' });
    expect(contexts[1]).toEqual(contexts[0]);
    expect(contexts[2]).toEqual(contexts[0]);
    // but for what only the gate needs, by which it can be seen that there are two ways
    expect(lengths).toEqual([5, 4, 4]);
  });

  it('that never settles is timed out', async () => {
    const never = guard(() => new Promise<boolean>(() => {}));
    const [first, later] = await firstAndLater('bad', { above: UseGuards(never), timeout: 50 });
    expect(later).toEqual(first);
    expect(later).toMatchObject({ answer: { status: 'error', code: 'timeout' }, seen: ['good'] });
  });
});

class WordDto {
  @IsString()
  text!: string;
}

describe('a pipe', () => {
  const upper: PipeTransform = {
    transform: (value: unknown) => (typeof value === 'string' ? value.toUpperCase() : value),
  };
  const exclaim: PipeTransform = { transform: (value: unknown) => Promise.resolve(`${String(value)}!`) };

  it.each<[string, Places, StartOptions?]>([
    ['the class', { class: UsePipes(upper), pipes: [exclaim] }],
    ['the method, above', { above: UsePipes(upper), pipes: [exclaim] }],
    ['the method, below', { below: UsePipes(upper), pipes: [exclaim] }],
    ['the parameter', { pipes: [upper, exclaim] }],
    ['the application', { pipes: [exclaim] }, { prepare: (app) => void app.useGlobalPipes(upper) }],
    ['a module', { pipes: [exclaim] }, { providers: [{ provide: APP_PIPE, useValue: upper }] }],
  ])('of %s changes later messages as the first', async (_where, places, start = {}) => {
    const [first, later] = await firstAndLater('word', places, start);
    expect(later).toEqual(first);
    expect(later!.seen).toEqual(['WORD!', 'WORD!', 'GOOD!']);
  });

  it('validates by the type of the stream, and says what is wrong', async () => {
    const validate = new ValidationPipe({ transform: true });
    const seen: unknown[] = [];
    const places = { class: UsePipes(validate), type: WordDto };
    const { url } = await startApp({ providers: [makeGateway(seen, places)] });
    const socket = await connect(url);
    const bad = { text: 5 };
    const first: unknown = await socket.emitWithAck('word', bad);
    expect(await socket.emitWithAck('word', { text: 'good' })).toBeUndefined();
    const later: unknown = await socket.emitWithAck('word', bad);
    expect(later).toEqual(first);
    expect(later).toMatchObject({ statusCode: 400, message: ['text must be a string'] });
    expect(await socket.emitWithAck('word', { text: 'good' })).toBeUndefined();
    expect(seen).toEqual([{ text: 'good' }, { text: 'good' }]);
    for (const word of seen) expect(word).toBeInstanceOf(WordDto);
  });

  it('that throws is answered alike', async () => {
    const strict: PipeTransform = {
      transform(value: unknown) {
        if (value === 'bad') throw new BadRequestException(['too bad']);
        return value;
      },
    };
    const [first, later] = await firstAndLater('bad', { pipes: [strict] });
    expect(later).toEqual(first);
    expect(later).toMatchObject({ answer: { statusCode: 400, message: ['too bad'] }, seen: ['good'] });
  });

  it('may make an Observable of a message', async () => {
    const wrap: PipeTransform = { transform: (value: unknown) => of(value) };
    const [first, later] = await firstAndLater('word', { pipes: [wrap] });
    for (const { answer, seen } of [first!, later!]) {
      expect(answer).toBeUndefined();
      expect(seen.map((word) => isObservable(word))).toEqual([true, true, true]);
    }
  });
});

describe('a filter', () => {
  @Catch(WsException)
  class Telling implements ExceptionFilter {
    catch(exception: WsException, host: ArgumentsHost): void {
      const ws = host.switchToWs();
      replyError(host, { told: exception.message, data: ws.getData<unknown>(), pattern: ws.getPattern() });
    }
  }
  const told = { told: 'Forbidden resource', data: 'bad', pattern: 'word' };

  it.each<[string, Places]>([
    ['the class', { class: UseFilters(Telling) }],
    ['the method, above', { above: UseFilters(new Telling()) }],
    ['the method, below', { below: UseFilters(Telling) }],
  ])('of %s answers later messages as the first', async (_where, places) => {
    const [first, later] = await firstAndLater(
      'bad',
      { pipes: [], ...places },
      {
        prepare: (app) => void app.useGlobalGuards(guard(() => false)),
      },
    );
    expect(later).toEqual(first);
    expect(later).toMatchObject({ answer: told, exception: told });
  });

  it('that is global, with the module, takes what no other does', async () => {
    const prepare = (app: INestApplication): void => void app.useGlobalGuards(guard(() => false));
    const adapter = (app: INestApplication) => new NestwireAdapter(app, { filters: [new Telling()] });
    const [first, later] = await firstAndLater('bad', {}, { prepare, adapter });
    expect(later).toEqual(first);
    expect(later).toMatchObject({ answer: told, exception: told });
  });
});

describe('an interceptor', () => {
  /** Does something to each message, in the way of its answer. */
  function counting(calls: unknown[]): NestInterceptor {
    return {
      intercept(context: ExecutionContext, handler: CallHandler) {
        calls.push(context.switchToWs().getData());
        return handler.handle();
      },
    };
  }

  it.each<[string, (calls: unknown[]) => [Places, StartOptions?]]>([
    ['the class', (calls) => [{ class: UseInterceptors(counting(calls)) }]],
    ['the method, above', (calls) => [{ above: UseInterceptors(counting(calls)) }]],
    ['the method, below', (calls) => [{ below: UseInterceptors(counting(calls)) }]],
    ['a module', (calls) => [{}, { providers: [{ provide: APP_INTERCEPTOR, useValue: counting(calls) }] }]],
    [
      'the application, set after the adapter',
      (calls) => [{}, { prepare: (app) => void app.useGlobalInterceptors(counting(calls)) }],
    ],
  ])('of %s runs for every message', async (_where, make) => {
    const calls: unknown[] = [];
    const seen: unknown[] = [];
    const [places, start] = make(calls);
    const { url } = await startApp({
      ...start,
      providers: [makeGateway(seen, places), ...(start?.providers ?? [])],
    });
    const socket = await connect(url);
    for (const word of [1, 2, 3]) {
      // oxlint-disable-next-line no-await-in-loop
      expect(await socket.emitWithAck('word', word)).toBeUndefined();
    }
    expect(calls).toEqual([1, 2, 3]);
    expect(seen).toEqual([1, 2, 3]);
  });
});

describe('streams of one class in two applications', () => {
  it('have the interceptors of their own application', async () => {
    const calls: unknown[] = [];
    const seen: unknown[] = [];
    const gateway = makeGateway(seen, {});
    const interceptor: NestInterceptor = {
      intercept(context, handler) {
        calls.push(context.switchToWs().getData());
        return handler.handle();
      },
    };
    const plain = await startApp({ providers: [gateway] });
    const intercepted = await startApp({
      providers: [gateway],
      prepare: (app) => void app.useGlobalInterceptors(interceptor),
    });
    const [one, two] = [await connect(plain.url), await connect(intercepted.url)];
    for (const turn of [1, 2, 3]) {
      // oxlint-disable-next-line no-await-in-loop
      await Promise.all([one.emitWithAck('word', `a${turn}`), two.emitWithAck('word', `b${turn}`)]);
    }
    expect(calls).toEqual(['b1', 'b2', 'b3']);
    expect(seen).toHaveLength(6);
  });
});

describe('a class that inherits a stream', () => {
  it('has its own guards over later messages, and so has its parent', async () => {
    const seen: unknown[] = [];
    const Parent = makeGateway(seen, {});
    @WebSocketGateway({ namespace: 'strict' })
    @UseGuards(guard(() => false))
    class Strict extends Parent {}
    const { url } = await startApp({ providers: [Parent, Strict] });
    const [open, strict] = [await connect(url), await connect(`${url}/strict`)];
    for (let i = 0; i < 2; i++) {
      // oxlint-disable no-await-in-loop
      expect(await open.emitWithAck('word', 'bad')).toBeUndefined();
      expect(await strict.emitWithAck('word', 'good')).toBeUndefined();
      expect(await strict.emitWithAck('word', 'bad')).toMatchObject(FORBIDDEN);
      // oxlint-enable no-await-in-loop
    }
    expect(seen).toEqual(['bad', 'good', 'bad', 'good']);
  });
});

describe('where Nest would not find the guards', () => {
  class Gateway {}
  const contexts = {
    create: () => {
      throw new Error('must not be asked');
    },
  };
  const ofInstance = (instance: object, provided: unknown) =>
    quickPipeline(
      { instance, metatype: Gateway, module: { providers: new Map([[Gateway, { instance: provided }]]) } } as never,
      { key: 'words', pipedKey: 'words:message' } as never,
      contexts as never,
    );

  it('there is no other way', () => {
    const instance = new Gateway();
    expect(ofInstance(instance, new Gateway())).toBeNull();
    expect(ofInstance(Object.assign(Object.create(null) as object, { constructor: Object }), instance)).toBeNull();
    expect(() => ofInstance(instance, instance)).toThrow();
  });
});

describe('a refusal by Nest itself', () => {
  it('is told from one by a guard', () => {
    expect(asRefusal(new ForbiddenException('Forbidden resource'))).toEqual(new WsException('Forbidden resource'));
    const theirs = new ForbiddenException();
    expect(asRefusal(theirs)).toBe(theirs);
    expect(asRefusal('text')).toBe('text');
  });
});

it('the exception of a message without acknowledgement comes once', async () => {
  const { url } = await startApp({ providers: [makeGateway([], { above: UseGuards(guard(() => false)) })] });
  const socket = await connect(url);
  await socket.emitWithAck('word', 'good');
  const exceptions: unknown[] = [];
  socket.on('exception', (exception) => exceptions.push(exception));
  const told = next(socket, 'exception');
  socket.emit('word', 'bad');
  await told;
  await socket.emitWithAck('word', 'good');
  expect(exceptions).toHaveLength(1);
});
