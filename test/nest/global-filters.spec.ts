/** Exception filters of the whole application, for gateways. */
import {
  BadRequestException,
  Catch,
  HttpException,
  Inject,
  Injectable,
  Module,
  Scope,
  UseFilters,
  UseGuards,
  type ArgumentsHost,
  type CanActivate,
  type ExceptionFilter,
} from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { IoAdapter } from '@nestjs/platform-socket.io';
import {
  BaseWsExceptionFilter,
  MessageBody,
  SubscribeMessage,
  WebSocketGateway,
  WsException,
} from '@nestjs/websockets';
import { afterEach, describe, expect, it } from '@jest/globals';
import { map, type Observable } from 'rxjs';
import {
  MessageStream,
  NestwireAdapter,
  NestwireModule,
  replyError,
  SubscribeStream,
  type NestwireOptions,
  type Socket,
} from 'nestwire';
import { InvalidOptionError } from 'nestwire/engine';
import { client, connect, createApp, deferred, expectNothingFatal, nestwire, next, startApp } from './support.js';

expectNothingFatal();

const messageOf = (exception: unknown): string => (exception as Error).message;

/** A filter class that answers with its name. */
function named(name: string, ...types: any[]) {
  @Catch(...types)
  class NamedFilter implements ExceptionFilter {
    catch(exception: unknown, host: ArgumentsHost): void {
      replyError(host, { by: name, message: messageOf(exception) });
    }
  }
  return NamedFilter;
}

const ERRORS: Record<string, () => Error> = {
  type: () => new TypeError('type'),
  range: () => new RangeError('range'),
  ws: () => new WsException('ws'),
  http: () => new HttpException('http', 418),
};

@Injectable()
class RefusingGuard implements CanActivate {
  canActivate(): boolean {
    return false;
  }
}

class MethodsGateway {
  @SubscribeMessage('fail')
  fail(@MessageBody() kind: string): never {
    throw ERRORS[kind]!();
  }

  @SubscribeMessage('filtered')
  @UseFilters(named('method', TypeError))
  filtered(@MessageBody() kind: string): never {
    throw ERRORS[kind]!();
  }

  @SubscribeMessage('guarded')
  @UseGuards(RefusingGuard)
  guarded(): void {}
}

@WebSocketGateway()
class PlainGateway extends MethodsGateway {}

@WebSocketGateway({ namespace: 'filtered' })
@UseFilters(named('gateway', RangeError))
class FilteredGateway extends MethodsGateway {}

describe('filters of the application', () => {
  it('are asked after those of methods and gateways, the last one named first, and before Nestwire answers', async () => {
    const Types = named('types', TypeError, RangeError);
    const Ranges = named('ranges', RangeError);
    const Ws = named('ws', WsException);
    const adapter = nestwire({ filters: [new Types(), new Ranges(), new Ws()] });
    const { url, logger } = await startApp({ providers: [PlainGateway, FilteredGateway], adapter });
    const plain = await connect(url);
    const filtered = await connect(`${url}/filtered`);
    expect({
      'plain type': await plain.emitWithAck('fail', 'type'),
      'plain range': await plain.emitWithAck('fail', 'range'),
      'plain, with a filter on the method': await plain.emitWithAck('filtered', 'type'),
      'plain, not for the filter on the method': await plain.emitWithAck('filtered', 'range'),
      'of the gateway': await filtered.emitWithAck('fail', 'range'),
      'not for the gateway': await filtered.emitWithAck('fail', 'type'),
      'by a guard': await plain.emitWithAck('guarded'),
      'for nobody': await plain.emitWithAck('fail', 'http'),
    }).toEqual({
      'plain type': { by: 'types', message: 'type' },
      'plain range': { by: 'ranges', message: 'range' },
      'plain, with a filter on the method': { by: 'method', message: 'type' },
      'plain, not for the filter on the method': { by: 'ranges', message: 'range' },
      'of the gateway': { by: 'gateway', message: 'range' },
      'not for the gateway': { by: 'types', message: 'type' },
      'by a guard': { by: 'ws', message: 'Forbidden resource' },
      'for nobody': { status: 'error', statusCode: 418, message: 'http' },
    });
    // what a filter of the application takes is its own to log
    expect(logger.errors).toEqual([]);
  });

  it('get what any filter gets', async () => {
    const seen = deferred<unknown[]>();
    @Catch()
    class LookingFilter implements ExceptionFilter {
      catch(exception: unknown, host: ArgumentsHost): void {
        const ws = host.switchToWs();
        const ack = host.getArgByIndex<(answer: unknown) => void>(2);
        seen.resolve([messageOf(exception), host.getType(), ws.getClient<Socket>().id, ws.getData(), ws.getPattern()]);
        ack('answered');
      }
    }
    const adapter = nestwire({ filters: [LookingFilter] });
    const { url } = await startApp({ providers: [PlainGateway, LookingFilter], adapter });
    const socket = await connect(url);
    expect(await socket.emitWithAck('fail', 'ws')).toBe('answered');
    expect(await seen.promise).toEqual(['ws', 'ws', socket.id, 'ws', 'fail']);
  });

  it('are asked with errors: nest, too, before Nest answers', async () => {
    const Types = named('types', TypeError);
    const adapter = nestwire({ errors: 'nest', filters: [new Types()] });
    const { url } = await startApp({ providers: [PlainGateway], adapter });
    const socket = await connect(url);
    expect(await socket.emitWithAck('fail', 'type')).toEqual({ by: 'types', message: 'type' });
    socket.emit('fail', 'ws', () => {});
    expect(await next(socket, 'exception')).toEqual({
      status: 'error',
      message: 'ws',
      cause: { pattern: 'fail', data: 'ws' },
    });
  });

  it('may be Nest’s own, which never answers an acknowledgement', async () => {
    const adapter = nestwire({ filters: [new BaseWsExceptionFilter({ includeCause: false })] });
    const { url, logger } = await startApp({ providers: [PlainGateway], adapter });
    const socket = await connect(url);
    let answered = false;
    socket.emit('fail', 'type', () => (answered = true));
    expect(await next(socket, 'exception')).toEqual({ status: 'error', message: 'Internal server error' });
    expect([answered, logger.errorTexts()]).toEqual([false, ['type']]);
  });

  it.each([
    ['throws', false],
    ['rejects', true],
  ])('may fail themselves, which is logged: one that %s', async (_how, isAsync) => {
    @Catch()
    class BrokenFilter implements ExceptionFilter {
      catch(): unknown {
        const error = new Error('broken filter');
        if (isAsync) return Promise.reject(error);
        throw error;
      }
    }
    const adapter = nestwire({ filters: [new BrokenFilter()] });
    const { url, logger } = await startApp({ providers: [PlainGateway], adapter });
    const socket = await connect(url);
    socket.emit('fail', 'type');
    while (logger.errors.length === 0) await new Promise((resolve) => setImmediate(resolve)); // oxlint-disable-line no-await-in-loop
    expect(logger.errorTexts()).toEqual(['broken filter']);
    expect(socket.connected).toBe(true);
  });

  it('of two applications with the same gateway do not mix', async () => {
    const [A, B] = [named('a'), named('b')];
    const a = await startApp({ providers: [PlainGateway], adapter: nestwire({ filters: [new A()] }) });
    const b = await startApp({ providers: [PlainGateway], adapter: nestwire({ filters: [new B()] }) });
    const none = await startApp({ providers: [PlainGateway] });
    const stock = await startApp({ providers: [PlainGateway], adapter: (app) => new IoAdapter(app) });
    expect(await (await connect(a.url)).emitWithAck('fail', 'ws')).toEqual({ by: 'a', message: 'ws' });
    expect(await (await connect(b.url)).emitWithAck('fail', 'ws')).toEqual({ by: 'b', message: 'ws' });
    expect(await (await connect(none.url)).emitWithAck('fail', 'ws')).toEqual({ status: 'error', message: 'ws' });
    const socket = await connect(stock.url);
    socket.emit('fail', 'ws');
    expect(await next(socket, 'exception')).toMatchObject({ cause: { pattern: 'fail' } });
  });
});

describe('filters of the application for connection hooks', () => {
  @Catch()
  class HookFilter implements ExceptionFilter {
    readonly seen: unknown[] = [];
    readonly called = deferred();

    async catch(exception: unknown, host: ArgumentsHost): Promise<void> {
      await Promise.resolve();
      this.seen.push([messageOf(exception), host.switchToWs().getPattern(), host.switchToWs().getData()]);
      this.called.resolve();
      replyError(host, { by: 'hook filter' });
    }
  }

  @WebSocketGateway()
  class HookedGateway {
    handleConnection(socket: Socket): Promise<void> | void {
      if (socket.handshake.auth['late']) return Promise.reject(new RangeError('late'));
      if (socket.handshake.auth['bad']) throw new RangeError('bad');
    }

    handleDisconnect(socket: Socket): void {
      if (socket.handshake.auth['sad']) throw new RangeError('sad');
    }
  }

  it.each(['bad', 'late'])(
    'take what handleConnection throws, and the client is told before it has to go: %s',
    async (how) => {
      const filter = new HookFilter();
      const { url, logger } = await startApp({ providers: [HookedGateway], adapter: nestwire({ filters: [filter] }) });
      const socket = client(url, { auth: { [how]: true } });
      const exception = next(socket, 'exception');
      const gone = next(socket, 'disconnect') as Promise<[string]>;
      socket.connect();
      expect(await exception).toEqual({ by: 'hook filter' });
      expect((await gone)[0]).toBe('io server disconnect');
      expect(filter.seen).toEqual([[how, 'handleConnection', undefined]]);
      expect([...logger.errors, ...logger.warnings]).toEqual([]);
    },
  );

  it('take what handleDisconnect throws', async () => {
    const filter = new HookFilter();
    const { url, logger } = await startApp({ providers: [HookedGateway], adapter: nestwire({ filters: [filter] }) });
    (await connect(url, { auth: { sad: true } })).disconnect();
    await filter.called.promise;
    expect([filter.seen, logger.errors]).toEqual([[['sad', 'handleDisconnect', undefined]], []]);
  });

  it('are asked after those of the gateway', async () => {
    @WebSocketGateway()
    @UseFilters(named('gateway', RangeError))
    class OwnGateway extends HookedGateway {}
    const filter = new HookFilter();
    const { url } = await startApp({ providers: [OwnGateway], adapter: nestwire({ filters: [filter] }) });
    const socket = client(url, { auth: { bad: true } });
    const exception = next(socket, 'exception');
    socket.connect();
    expect(await exception).toEqual({ by: 'gateway', message: 'bad' });
    expect(filter.seen).toEqual([]);
  });

  it('take it when a request-scoped gateway cannot be made', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class BrokenState {
      constructor() {
        throw new RangeError('no state');
      }
    }
    @WebSocketGateway()
    class ScopedGateway {
      constructor(@Inject(BrokenState) readonly state: BrokenState) {}
    }
    const filter = new HookFilter();
    const adapter = nestwire({ filters: [filter] });
    const { url } = await startApp({ providers: [ScopedGateway, BrokenState], adapter });
    const socket = client(url);
    const exception = next(socket, 'exception');
    const gone = next(socket, 'disconnect') as Promise<[string]>;
    socket.connect();
    expect(await exception).toEqual({ by: 'hook filter' });
    expect((await gone)[0]).toBe('io server disconnect');
    // the gateway cannot be made for the end of the connection, either
    expect(filter.seen).toEqual([
      ['no state', 'handleConnection', undefined],
      ['no state', 'handleDisconnect', undefined],
    ]);
  });
});

describe('a filter that is named by its class', () => {
  @Catch(TypeError)
  class ConfiguredFilter implements ExceptionFilter {
    constructor(@Inject(ConfigService) private readonly config: ConfigService) {}

    catch(_exception: unknown, host: ArgumentsHost): void {
      replyError(host, { by: this.config.getOrThrow<string>('NAME') });
    }
  }

  const config = (name: string) => ConfigModule.forRoot({ ignoreEnvFile: true, load: [() => ({ NAME: name })] });

  @Module({ imports: [config('providing module')], providers: [ConfiguredFilter] })
  class ProvidingModule {}

  it.each([
    [
      'is made by NestwireModule',
      [
        NestwireModule.forRootAsync({
          imports: [config('nestwire module')],
          useFactory: async (): Promise<NestwireOptions> => Promise.resolve({ filters: [ConfiguredFilter] }),
        }),
      ],
      'nestwire module',
    ],
    [
      'is that of the module that provides it',
      [NestwireModule.forRoot({ filters: [ConfiguredFilter] }), ProvidingModule],
      'providing module',
    ],
  ])('%s', async (_how, imports, by) => {
    const { url } = await startApp({ imports, providers: [PlainGateway] });
    expect(await (await connect(url)).emitWithAck('fail', 'type')).toEqual({ by });
  });

  it('is left to the adapter’s own list, when it has one', async () => {
    const [Module, Adapter] = [named('module'), named('adapter')];
    const imports = [NestwireModule.forRoot({ filters: [new Module()] })];
    const adapter = nestwire({ filters: [new Adapter()] });
    const { url } = await startApp({ imports, providers: [PlainGateway], adapter });
    expect(await (await connect(url)).emitWithAck('fail', 'ws')).toEqual({ by: 'adapter', message: 'ws' });
  });

  it.each([
    ['no list', 'none', /"filters" must be a list/],
    ['no filter', [RefusingGuard], /"filters" names RefusingGuard, which has no catch\(\) method/],
    ['a filter that cannot be made', [ConfiguredFilter], /names ConfiguredFilter, which NestwireModule cannot make/],
  ])('that cannot be had is an error at start: %s', async (_what, filters, message) => {
    const imports = [NestwireModule.forRoot({ filters } as never)];
    await expect(createApp({ imports })).rejects.toThrow(message);
  });

  it('is refused by an adapter that does not know the application', () => {
    expect(() => new NestwireAdapter(undefined, { filters: [new (named('x'))()] })).toThrow(InvalidOptionError);
  });

  it('is not needed for NestwireModule to be there', async () => {
    const { url } = await startApp({ imports: [NestwireModule], providers: [PlainGateway] });
    expect(await (await connect(url)).emitWithAck('fail', 'ws')).toEqual({ status: 'error', message: 'ws' });
  });
});

describe('filters of the application for streams', () => {
  @WebSocketGateway()
  class StreamGateway {
    @SubscribeStream('words')
    words(@MessageStream() word$: Observable<string>): Observable<string> {
      return word$.pipe(
        map((word) => {
          if (word === 'bad') throw new TypeError('operator');
          return word;
        }),
      );
    }

    @SubscribeStream('guarded')
    @UseGuards(RefusingGuard)
    guarded(@MessageStream() word$: Observable<string>): Observable<string> {
      return word$;
    }
  }

  it('take what is refused before a stream, and what fails in it', async () => {
    const All = named('all');
    const adapter = nestwire({ filters: [new All()] });
    const { url } = await startApp({ providers: [StreamGateway], adapter });
    const socket = await connect(url);
    expect(await socket.emitWithAck('guarded', 'x')).toEqual({ by: 'all', message: 'Forbidden resource' });
    const exception = next(socket, 'exception');
    socket.emit('words', 'bad');
    expect(await exception).toEqual({ by: 'all', message: 'operator' });
  });
});

describe('a filter that leaves the answer to Nestwire', () => {
  const reported: unknown[] = [];

  @Catch()
  class ReportingFilter implements ExceptionFilter {
    catch(exception: unknown, host: ArgumentsHost): void {
      reported.push(exception);
      replyError(host, exception);
    }
  }

  afterEach(() => void reported.splice(0));

  it.each([
    ['by its acknowledgement', true],
    ['by an event', false],
  ])('has it given, %s', async (_how, asksForAck) => {
    const { url, logger } = await startApp({
      providers: [PlainGateway],
      adapter: nestwire({ filters: [new ReportingFilter()] }),
    });
    const socket = await connect(url);
    const answer = async (kind: string): Promise<unknown> => {
      if (asksForAck) return socket.emitWithAck('fail', kind);
      const exception = next(socket, 'exception');
      socket.emit('fail', kind);
      return exception;
    };
    expect(await answer('type')).toEqual({ status: 'error', message: 'Internal server error' });
    expect(await answer('http')).toEqual({ status: 'error', statusCode: 418, message: 'http' });
    expect(await answer('ws')).toEqual({ status: 'error', message: 'ws' });
    expect(reported.map(messageOf)).toEqual(['type', 'http', 'ws']);
    // the filter has it, and does with it what it likes
    expect(logger.errors).toEqual([]);
  });
});

describe('includeCause', () => {
  @WebSocketGateway()
  class CauseGateway {
    @SubscribeMessage('fail')
    fail(@MessageBody() { kind }: { kind: string }): never {
      if (kind === 'object') throw new WsException({ code: 42 });
      if (kind === 'details') throw new BadRequestException(['no name']);
      throw ERRORS[kind]!();
    }

    handleConnection(socket: Socket): void {
      if (socket.handshake.auth['bad']) throw new WsException('bad');
    }
  }

  it('tells which message failed, in Nest’s own form', async () => {
    const { url } = await startApp({ providers: [CauseGateway], adapter: nestwire({ includeCause: true }) });
    const socket = await connect(url);
    const causeOf = (kind: string): object => ({ cause: { pattern: 'fail', data: { kind } } });
    const answers: Record<string, object> = {
      ws: { status: 'error', message: 'ws', ...causeOf('ws') },
      type: { status: 'error', message: 'Internal server error', ...causeOf('type') },
      details: { status: 'error', statusCode: 400, error: 'Bad Request', message: ['no name'], ...causeOf('details') },
      // an object is the whole payload, as in Nest
      object: { status: 'error', code: 42, message: 'Ws Exception' },
    };
    for (const [kind, answer] of Object.entries(answers)) {
      /* oxlint-disable no-await-in-loop */
      expect(await socket.emitWithAck('fail', { kind })).toEqual(answer);
      const exception = next(socket, 'exception');
      socket.emit('fail', { kind });
      expect(await exception).toEqual(kind === 'object' ? { code: 42 } : answer);
      /* oxlint-enable no-await-in-loop */
    }
    const refused = client(url, { auth: { bad: true } });
    const exception = next(refused, 'exception');
    refused.connect();
    expect(await exception).toEqual({ status: 'error', message: 'bad', cause: { pattern: 'handleConnection' } });
  });

  it('is off, and has to be a boolean', async () => {
    const { url } = await startApp({ providers: [CauseGateway] });
    const socket = await connect(url);
    expect(await socket.emitWithAck('fail', { kind: 'ws' })).toEqual({ status: 'error', message: 'ws' });
    const refused = createApp({ providers: [CauseGateway], adapter: nestwire({ includeCause: 'yes' } as never) });
    await expect(refused).rejects.toThrow('"includeCause"');
  });
});
