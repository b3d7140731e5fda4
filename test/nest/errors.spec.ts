/** How failures of messages are answered. */
import {
  BadRequestException,
  Catch,
  HttpException,
  Inject,
  Injectable,
  InternalServerErrorException,
  Scope,
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
  type NestInterceptor,
} from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { IoAdapter } from '@nestjs/platform-socket.io';
import {
  Ack,
  BaseWsExceptionFilter,
  MessageBody,
  SubscribeMessage,
  WebSocketGateway,
  WsException,
} from '@nestjs/websockets';
import { afterEach, describe, expect, it } from '@jest/globals';
import { IsEmail, IsInt } from 'class-validator';
import { concat, delay, of, switchMap, throwError, type Observable } from 'rxjs';
import { replyError, type Socket } from 'nestwire';
import { cleanUp, connect, nestwire, next, startApp } from './support.js';

class MemberDto {
  @IsEmail() email!: string;
  @IsInt() age!: number;
}

@Injectable()
class RefusingGuard implements CanActivate {
  canActivate(): boolean {
    return false;
  }
}

@Injectable()
class FailingInterceptor implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(switchMap(() => throwError(() => new WsException('intercepted'))));
  }
}

/** Everything a handler can throw, by what its client asks for. */
const FAILURES: Record<string, () => unknown> = {
  text: () => new WsException('no'),
  object: () => new WsException({ code: 42, message: 'no' }),
  'object with a status': () => new WsException({ status: 'fail', code: 42 }),
  http: () => new HttpException('gone', 410),
  'http with an object': () => new HttpException({ status: 418, error: 'teapot' }, 418),
  'http with details': () => new BadRequestException({ fields: ['email'] }),
  'http of the server': () => new InternalServerErrorException(),
  unknown: () => new Error('SELECT * FROM users'),
  'no error': () => ({ sql: 'SELECT * FROM users' }),
  nothing: () => undefined,
};

@WebSocketGateway()
class FailingGateway {
  @SubscribeMessage('fail')
  fail(@MessageBody() kind: string): never {
    throw FAILURES[kind]!();
  }

  @SubscribeMessage('reject')
  reject(@MessageBody() kind: string): Promise<never> {
    return Promise.reject(FAILURES[kind]!());
  }

  @SubscribeMessage('stream')
  stream(@MessageBody() kind: string): Observable<never> {
    return throwError(FAILURES[kind]!);
  }

  @SubscribeMessage('late stream')
  lateStream(): Observable<string> {
    return concat(
      of('first'),
      of('').pipe(
        delay(5),
        switchMap(() => throwError(() => new WsException('late'))),
      ),
    );
  }

  @SubscribeMessage('by hand')
  byHand(@MessageBody() answerFirst: boolean, @Ack() ack: (answer: string) => void): void {
    if (answerFirst) ack('done');
    throw new WsException('by hand');
  }

  @SubscribeMessage('guarded')
  @UseGuards(RefusingGuard)
  guarded(): string {
    return 'never';
  }

  @SubscribeMessage('intercepted')
  @UseInterceptors(FailingInterceptor)
  intercepted(): string {
    return 'never';
  }

  @SubscribeMessage('validated')
  @UsePipes(new ValidationPipe())
  validated(@MessageBody() member: MemberDto): string {
    return member.email;
  }

  @SubscribeMessage('validated in detail')
  @UsePipes(new ValidationPipe({ exceptionFactory: (errors) => new BadRequestException(errors) }))
  validatedInDetail(@MessageBody() member: MemberDto): string {
    return member.email;
  }
}

const ERROR = { status: 'error' };
const UNKNOWN = { ...ERROR, message: 'Internal server error' };

/** What comes back: by the acknowledgement, and by the event. */
const ANSWERS: [kind: string, acknowledged: object, emitted: object, logged: boolean][] = [
  ['text', { ...ERROR, message: 'no' }, { ...ERROR, message: 'no' }, false],
  ['object', { ...ERROR, code: 42, message: 'no' }, { code: 42, message: 'no' }, false],
  ['object with a status', { status: 'fail', code: 42, message: 'Ws Exception' }, { status: 'fail', code: 42 }, false],
  ['http', { ...ERROR, statusCode: 410, message: 'gone' }, { ...ERROR, statusCode: 410, message: 'gone' }, false],
  [
    'http with an object',
    { ...ERROR, statusCode: 418, message: 'Http Exception', error: 'teapot' },
    { ...ERROR, statusCode: 418, message: 'Http Exception', error: 'teapot' },
    false,
  ],
  [
    'http with details',
    { ...ERROR, statusCode: 400, message: 'Bad Request Exception', fields: ['email'] },
    { ...ERROR, statusCode: 400, message: 'Bad Request Exception', fields: ['email'] },
    false,
  ],
  [
    'http of the server',
    { ...ERROR, statusCode: 500, message: 'Internal Server Error' },
    { ...ERROR, statusCode: 500, message: 'Internal Server Error' },
    false,
  ],
  ['unknown', UNKNOWN, UNKNOWN, true],
  ['no error', UNKNOWN, UNKNOWN, true],
  ['nothing', UNKNOWN, UNKNOWN, true],
];

afterEach(cleanUp);

describe('the failure of a message', () => {
  it.each(ANSWERS)('is told, and not more than that: %s', async (kind, acknowledged, emitted, logged) => {
    const { url, logger } = await startApp({ providers: [FailingGateway] });
    const socket = await connect(url);
    for (const event of ['fail', 'reject', 'stream']) {
      /* oxlint-disable no-await-in-loop */
      const exceptions: unknown[] = [];
      socket.on('exception', (payload: unknown) => exceptions.push(payload));
      expect(await socket.emitWithAck(event, kind)).toEqual(acknowledged);
      expect(exceptions).toEqual([]);
      socket.off('exception');
      socket.emit(event, kind);
      expect(await next(socket, 'exception')).toEqual(emitted);
      // once for each of the two messages
      expect(logger.errors.splice(0)).toHaveLength(logged ? 2 : 0);
      /* oxlint-enable no-await-in-loop */
    }
    expect(logger.warnings).toEqual([]);
  });

  it('is told when a guard refuses or an interceptor fails', async () => {
    const socket = await connect((await startApp({ providers: [FailingGateway] })).url);
    expect(await socket.emitWithAck('guarded')).toEqual({ ...ERROR, message: 'Forbidden resource' });
    expect(await socket.emitWithAck('intercepted')).toEqual({ ...ERROR, message: 'intercepted' });
  });

  it('carries the details of a validation', async () => {
    const { url, logger } = await startApp({ providers: [FailingGateway] });
    const socket = await connect(url);
    const invalid = { email: 'nobody', age: 1.5 };
    expect(await socket.emitWithAck('validated', invalid)).toEqual({
      ...ERROR,
      statusCode: 400,
      error: 'Bad Request',
      message: ['email must be an email', 'age must be an integer number'],
    });
    expect(await socket.emitWithAck('validated in detail', invalid)).toMatchObject({
      ...ERROR,
      statusCode: 400,
      message: [{ property: 'email', constraints: { isEmail: 'email must be an email' } }, { property: 'age' }],
    });
    expect(logger.errors).toEqual([]);
  });

  it('is emitted when the acknowledgement has been used already', async () => {
    const socket = await connect((await startApp({ providers: [FailingGateway] })).url);
    const late = next(socket, 'exception');
    expect(await socket.emitWithAck('late stream')).toBe('first');
    expect(await late).toEqual({ ...ERROR, message: 'late' });
    const afterwards = next(socket, 'exception');
    expect(await socket.emitWithAck('by hand', true)).toBe('done');
    expect(await afterwards).toEqual({ ...ERROR, message: 'by hand' });
    expect(await socket.emitWithAck('by hand', false)).toEqual({ ...ERROR, message: 'by hand' });
  });

  it('of a request-scoped gateway is told just so', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class ClientState {
      constructor(@Inject(REQUEST) readonly socket: Socket) {}
    }
    @WebSocketGateway()
    class ScopedGateway {
      constructor(@Inject(ClientState) private readonly state: ClientState) {}

      @SubscribeMessage('fail')
      fail(): never {
        throw new WsException(`scoped ${this.state.socket.id}`);
      }
    }
    const socket = await connect((await startApp({ providers: [ScopedGateway, ClientState] })).url);
    expect(await socket.emitWithAck('fail', 'x')).toEqual({ ...ERROR, message: `scoped ${socket.id}` });
    socket.emit('fail', 'x');
    expect(await next(socket, 'exception')).toEqual({ ...ERROR, message: `scoped ${socket.id}` });
  });
});

describe('filters of the application', () => {
  @Catch(WsException)
  class OwnFilter implements ExceptionFilter {
    catch(exception: WsException, host: ArgumentsHost): void {
      replyError(host, { own: exception.message });
    }
  }

  @Catch()
  class EverythingFilter extends BaseWsExceptionFilter {
    override catch(exception: Error, host: ArgumentsHost): void {
      super.catch(exception, host);
    }
  }

  it('own the answer, on a class or a method, and can use the acknowledgement', async () => {
    @WebSocketGateway()
    @UseFilters(OwnFilter)
    class FilteredGateway extends FailingGateway {}
    const socket = await connect((await startApp({ providers: [FilteredGateway] })).url);
    expect(await socket.emitWithAck('fail', 'text')).toEqual({ own: 'no' });
    socket.emit('fail', 'text');
    expect(await next(socket, 'exception')).toEqual({ own: 'no' });
    // not theirs
    expect(await socket.emitWithAck('fail', 'http')).toEqual({ ...ERROR, statusCode: 410, message: 'gone' });
  });

  it('that extend BaseWsExceptionFilter answer as Nest does: by the event, and never by the acknowledgement', async () => {
    @WebSocketGateway()
    @UseFilters(new EverythingFilter({ includeCause: false }))
    class FilteredGateway extends FailingGateway {}
    const { url, logger } = await startApp({ providers: [FilteredGateway] });
    const socket = await connect(url);
    socket.emit('fail', 'text');
    expect(await next(socket, 'exception')).toEqual({ ...ERROR, message: 'no' });
    let acknowledged = false;
    socket.emit('fail', 'unknown', () => (acknowledged = true));
    expect(await next(socket, 'exception')).toEqual(UNKNOWN);
    expect([acknowledged, logger.errorTexts()]).toEqual([false, ['SELECT * FROM users']]);
  });

  it('are asked before those of a parent class, and none is asked twice', async () => {
    const asked: string[] = [];
    const filter = (name: string): ExceptionFilter => ({
      catch(_exception: unknown, host: ArgumentsHost): void {
        asked.push(name);
        replyError(host, { name });
      },
    });
    @WebSocketGateway()
    @UseFilters(filter('parent'))
    class ParentGateway {
      @SubscribeMessage('of the class')
      ofTheClass(): never {
        throw new Error('x');
      }

      @SubscribeMessage('of the method')
      @UseFilters(filter('method'))
      ofTheMethod(): never {
        throw new Error('x');
      }
    }
    @WebSocketGateway({ namespace: 'child' })
    class ChildGateway extends ParentGateway {}
    const { url } = await startApp({ providers: [ParentGateway, ChildGateway] });
    for (const path of ['', '/child']) {
      /* oxlint-disable no-await-in-loop */
      const socket = await connect(url + path);
      expect(await socket.emitWithAck('of the class')).toEqual({ name: 'parent' });
      expect(await socket.emitWithAck('of the method')).toEqual({ name: 'method' });
      /* oxlint-enable no-await-in-loop */
    }
    expect(asked).toEqual(['parent', 'method', 'parent', 'method']);
  });
});

describe('errors: nest', () => {
  // the oracle: what Nest's own adapter sends for each kind of failure
  it.each(Object.keys(FAILURES).filter((kind) => kind !== 'nothing'))(
    'answers exactly as Nest does: %s',
    async (kind) => {
      const answers: unknown[] = [];
      const adapters = [nestwire({ errors: 'nest' }), (app: any) => new IoAdapter(app)];
      for (const adapter of adapters) {
        /* oxlint-disable no-await-in-loop */
        const { url, logger } = await startApp({ providers: [FailingGateway], adapter });
        const socket = await connect(url);
        let acknowledged = false;
        socket.emit('fail', kind, () => (acknowledged = true));
        answers.push([await next(socket, 'exception'), acknowledged, logger.errors.length]);
        await cleanUp();
        /* oxlint-enable no-await-in-loop */
      }
      expect(answers[0]).toEqual(answers[1]);
    },
  );
});

describe('replyError', () => {
  const host = (type: string, ...args: unknown[]): ArgumentsHost =>
    ({
      getType: () => type,
      getArgByIndex: (index: number) => args[index],
      switchToWs: () => ({ getClient: () => args[0] }),
    }) as unknown as ArgumentsHost;

  it('answers once by the acknowledgement, then by the event', () => {
    const sent: unknown[] = [];
    const client = { connected: true, emit: (...event: unknown[]) => sent.push(event) };
    const message = host('ws', client, 'data', (payload: unknown) => sent.push(payload), 'pattern');
    replyError(message, 1);
    replyError(message, 2);
    expect(sent).toEqual([1, ['exception', 2]]);
  });

  it('sends nothing to a client that has gone', () => {
    const sent: unknown[] = [];
    replyError(host('ws', { connected: false, emit: () => sent.push('x') }, 'data', undefined, 'pattern'), 1);
    expect(sent).toEqual([]);
  });

  it('refuses what is not a message', () => {
    // the third argument of an HTTP handler is `next`
    const called: unknown[] = [];
    expect(() =>
      replyError(
        host('http', {}, {}, () => called.push('next')),
        1,
      ),
    ).toThrow('"http"');
    expect(called).toEqual([]);
  });
});
