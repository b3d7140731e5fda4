/** What a handler gets and what its sender gets back. Nest's own adapter is the oracle: the same cases run against both. */
import {
  Catch,
  Injectable,
  Module,
  ParseIntPipe,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
  ValidationPipe,
  type ArgumentsHost,
  type CanActivate,
  type CallHandler,
  type ExceptionFilter,
  type ExecutionContext,
  type NestInterceptor,
  type PipeTransform,
} from '@nestjs/common';
import { APP_GUARD, APP_INTERCEPTOR, APP_PIPE } from '@nestjs/core';
import {
  Ack,
  ConnectedSocket,
  MessageBody,
  SubscribeMessage,
  WebSocketGateway,
  WsException,
  type WsResponse,
} from '@nestjs/websockets';
import { afterEach, describe, expect, it } from '@jest/globals';
import { IsInt, IsString } from 'class-validator';
import { concat, finalize, from, map, NEVER, of, throwError, type Observable } from 'rxjs';
import type { Socket } from 'nestwire';
import { ADAPTERS, cleanUp, collect, connect, next, startApp } from './support.js';

class NoteDto {
  @IsString() text!: string;
  @IsInt() line!: number;
}

@Injectable()
class TokenGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    return context.switchToWs().getClient<Socket>().handshake.auth['token'] === 'yes';
  }
}

@Injectable()
class ShoutInterceptor implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(map((value: unknown) => (typeof value === 'string' ? value.toUpperCase() : value)));
  }
}

@Injectable()
class TrimPipe implements PipeTransform {
  transform(value: unknown): unknown {
    return typeof value === 'string' ? value.trim() : value;
  }
}

@Catch(TypeError)
class TypeErrorFilter implements ExceptionFilter {
  catch(exception: TypeError, host: ArgumentsHost): void {
    host.switchToWs().getClient<Socket>().emit('type_error', exception.message);
  }
}

@Catch(RangeError)
class RethrowingFilter implements ExceptionFilter {
  catch(exception: RangeError): void {
    throw exception;
  }
}

@WebSocketGateway()
@UseFilters(TypeErrorFilter)
class MessagesGateway {
  @SubscribeMessage('return')
  returns(@MessageBody() value: unknown): unknown {
    return value;
  }

  @SubscribeMessage('data')
  data(@MessageBody() data: unknown): unknown {
    return { type: data === undefined ? 'undefined' : Array.isArray(data) ? 'array' : typeof data, data };
  }

  @SubscribeMessage('positional')
  positional(client: Socket, data: unknown, ack?: (value: unknown) => void): void {
    ack?.([client.connected, data]);
  }

  @SubscribeMessage('member')
  member(@MessageBody('count', ParseIntPipe) count: number, @ConnectedSocket() client: Socket): unknown {
    return [count, client.id];
  }

  @SubscribeMessage('manual')
  manual(@MessageBody() data: string, @Ack() ack: (...values: unknown[]) => void): string {
    ack('by hand', data);
    return 'not this';
  }

  @SubscribeMessage('manual without answer')
  manualWithoutAnswer(@Ack() _ack: () => void): string {
    return 'never sent';
  }

  @SubscribeMessage('response')
  response(@MessageBody() data: string): WsResponse<string> {
    return { event: 'answer', data };
  }

  @SubscribeMessage('promise')
  async promise(@MessageBody() data: string): Promise<string> {
    await Promise.resolve();
    return data;
  }

  @SubscribeMessage('observable')
  observable(): Observable<WsResponse<number>> {
    return from([1, 2, 3]).pipe(map((data) => ({ event: 'value', data })));
  }

  @SubscribeMessage('promise of observable')
  async promiseOfObservable(): Promise<Observable<unknown>> {
    await Promise.resolve();
    return of(null, { event: 'value', data: 'a' }, undefined, { event: 'value', data: 'b' });
  }

  @SubscribeMessage('observable of answers')
  observableOfAnswers(): Observable<string> {
    return of('first', 'second');
  }

  @SubscribeMessage('failing observable')
  failingObservable(): Observable<unknown> {
    return concat(
      of({ event: 'value', data: 1 }),
      throwError(() => new TypeError('in a stream')),
    );
  }

  @SubscribeMessage('guarded')
  @UseGuards(TokenGuard)
  guarded(): string {
    return 'in';
  }

  @SubscribeMessage('intercepted')
  @UseInterceptors(ShoutInterceptor)
  intercepted(@MessageBody() data: string): string {
    return data;
  }

  @SubscribeMessage('piped')
  @UsePipes(new ValidationPipe({ transform: true, exceptionFactory: () => new TypeError('invalid note') }))
  piped(@MessageBody() note: NoteDto): unknown {
    return [note instanceof NoteDto, note.line];
  }

  @SubscribeMessage('type error')
  typeError(): never {
    throw new TypeError('of the class');
  }

  @SubscribeMessage('range error')
  @UseFilters(RethrowingFilter)
  rangeError(@MessageBody() data: string): string {
    if (data === 'bad') throw new RangeError('rethrown');
    return data;
  }

  @SubscribeMessage('range error in a stream')
  @UseFilters(RethrowingFilter)
  rangeErrorInStream(@MessageBody() data: string): Observable<string> {
    return data === 'bad' ? throwError(() => new RangeError('rethrown by a stream')) : of(data);
  }

  @SubscribeMessage('twice')
  one(): WsResponse<string> {
    return { event: 'twice', data: 'one' };
  }

  @SubscribeMessage('twice')
  two(): WsResponse<string> {
    return { event: 'twice', data: 'two' };
  }
}

const ask = (
  socket: { emitWithAck(event: string, ...args: unknown[]): Promise<any> },
  event: string,
  ...args: unknown[]
) => socket.emitWithAck(event, ...args);

describe.each(ADAPTERS)('messages through %s', (_name, adapter) => {
  afterEach(cleanUp);

  const start = () => startApp({ providers: [MessagesGateway], adapter });

  it('answers by the acknowledgement with what a handler returned', async () => {
    const socket = await connect((await start()).url);
    for (const value of ['text', 7, true, false, 0, '', { a: [1] }, [1, 2]]) {
      // oxlint-disable-next-line no-await-in-loop
      expect(await ask(socket, 'return', value)).toEqual(value);
    }
  });

  it('answers nothing when a handler returned nothing', async () => {
    const socket = await connect((await start()).url);
    const answers: unknown[] = [];
    socket.emit('return', null, (answer: unknown) => answers.push(answer));
    socket.emit('positional', 'no ack');
    expect(await ask(socket, 'return', 'later')).toBe('later');
    expect(answers).toEqual([]);
  });

  it('gives one argument as it is, several as an array, and none as undefined', async () => {
    const socket = await connect((await start()).url);
    expect(await ask(socket, 'data')).toEqual({ type: 'undefined' });
    expect(await ask(socket, 'data', 'x')).toEqual({ type: 'string', data: 'x' });
    expect(await ask(socket, 'data', ['x'])).toEqual({ type: 'array', data: ['x'] });
    expect(await ask(socket, 'data', [])).toEqual({ type: 'array', data: [] });
    expect(await ask(socket, 'data', 'x', 'y')).toEqual({ type: 'array', data: ['x', 'y'] });
    expect(await ask(socket, 'data', ['x'], 'y')).toEqual({ type: 'array', data: [['x'], 'y'] });
  });

  it('gives the same data to a message without an acknowledgement', async () => {
    const socket = await connect((await start()).url);
    socket.emit('response', 'one');
    expect(await next(socket, 'answer')).toBe('one');
    socket.emit('response', 'one', 'two');
    expect(await next(socket, 'answer')).toEqual(['one', 'two']);
  });

  it('passes client, data and acknowledgement by position', async () => {
    const socket = await connect((await start()).url);
    expect(await ask(socket, 'positional', 'x')).toEqual([true, 'x']);
  });

  it('passes parts of the data through pipes, and the client', async () => {
    const socket = await connect((await start()).url);
    expect(await ask(socket, 'member', { count: '12' })).toEqual([12, socket.id]);
  });

  it('leaves the acknowledgement to a handler that asked for it', async () => {
    const socket = await connect((await start()).url);
    const answers: unknown[][] = [];
    socket.emit('manual', 'x', (...answer: unknown[]) => answers.push(answer));
    socket.emit('manual without answer', (...answer: unknown[]) => answers.push(answer));
    await ask(socket, 'return', 'later');
    expect(answers).toEqual([['by hand', 'x']]);
  });

  it('sends a result that names an event as that event, not as an answer', async () => {
    const socket = await connect((await start()).url);
    const answers: unknown[] = [];
    socket.emit('response', 'x', (answer: unknown) => answers.push(answer));
    expect(await next(socket, 'answer')).toBe('x');
    await ask(socket, 'return', 'later');
    expect(answers).toEqual([]);
  });

  it('waits for promises', async () => {
    const socket = await connect((await start()).url);
    expect(await ask(socket, 'promise', 'x')).toBe('x');
  });

  it('sends every value of an Observable', async () => {
    const socket = await connect((await start()).url);
    const values = collect(socket, 'value');
    socket.emit('observable');
    socket.emit('promise of observable');
    await ask(socket, 'promise', 'later');
    await ask(socket, 'promise', 'later');
    expect(values).toEqual([1, 2, 3, 'a', 'b']);
  });

  it('answers with the first value of an Observable', async () => {
    const socket = await connect((await start()).url);
    expect(await ask(socket, 'observable of answers')).toBe('first');
  });

  it('gives the failure of an Observable to the filters', async () => {
    const socket = await connect((await start()).url);
    const values = collect(socket, 'value');
    socket.emit('failing observable');
    expect(await next(socket, 'type_error')).toBe('in a stream');
    expect(values).toEqual([1]);
  });

  it('asks guards', async () => {
    const { url } = await start();
    expect(await ask(await connect(url, { auth: { token: 'yes' } }), 'guarded')).toBe('in');
    const stranger = await connect(url);
    stranger.emit('guarded');
    expect(await next(stranger, 'exception')).toMatchObject({ status: 'error', message: 'Forbidden resource' });
  });

  it('runs interceptors', async () => {
    const socket = await connect((await start()).url);
    expect(await ask(socket, 'intercepted', 'loud')).toBe('LOUD');
  });

  it('runs pipes', async () => {
    const socket = await connect((await start()).url);
    expect(await ask(socket, 'piped', { text: 'x', line: 3 })).toEqual([true, 3]);
    socket.emit('piped', { text: 'x', line: 'three' });
    expect(await next(socket, 'type_error')).toBe('invalid note');
  });

  it('gives exceptions to the filters of the application', async () => {
    const socket = await connect((await start()).url);
    socket.emit('type error');
    expect(await next(socket, 'type_error')).toBe('of the class');
  });

  it('logs what a filter throws, and goes on with the event', async () => {
    const { url, logger } = await start();
    const socket = await connect(url);
    socket.emit('range error', 'bad');
    socket.emit('range error in a stream', 'bad');
    expect(await ask(socket, 'range error', 'good')).toBe('good');
    expect(await ask(socket, 'range error in a stream', 'good')).toBe('good');
    expect(logger.errorTexts()).toEqual(['rethrown', 'rethrown by a stream']);
  });

  it('tells of an unknown error nothing but that it happened, and logs it once', async () => {
    @WebSocketGateway()
    class FailingGateway {
      @SubscribeMessage('fail')
      fail(): never {
        throw new Error('the password is xyz');
      }
    }
    const { url, logger } = await startApp({ providers: [FailingGateway], adapter });
    const socket = await connect(url);
    socket.emit('fail', 1);
    const payload = await next(socket, 'exception');
    expect(payload).toMatchObject({ status: 'error', message: 'Internal server error' });
    expect(JSON.stringify(payload)).not.toContain('xyz');
    expect(logger.errorTexts()).toEqual(['the password is xyz']);
  });

  it('sends the object of a WsException as it is', async () => {
    @WebSocketGateway()
    class FailingGateway {
      @SubscribeMessage('fail')
      fail(): never {
        throw new WsException({ code: 42 });
      }
    }
    const socket = await connect((await startApp({ providers: [FailingGateway], adapter })).url);
    socket.emit('fail');
    expect(await next(socket, 'exception')).toEqual({ code: 42 });
  });

  it('calls all handlers of one event, in their order', async () => {
    const socket = await connect((await start()).url);
    const values = collect(socket, 'twice');
    socket.emit('twice');
    await ask(socket, 'promise', 'later');
    expect(values).toEqual(['one', 'two']);
  });

  it('keeps clients apart', async () => {
    const { url } = await start();
    const sockets = await Promise.all([connect(url), connect(url), connect(url)]);
    const answers = await Promise.all(sockets.map((socket) => ask(socket, 'member', { count: '1' })));
    expect(answers).toEqual(sockets.map(({ id }) => [1, id]));
  });

  it('handles the messages of a client beside each other and in their order', async () => {
    const socket = await connect((await start()).url);
    const numbers = Array.from({ length: 500 }, (_, index) => index);
    const values = collect(socket, 'answer');
    const done = new Promise<void>((resolve) => {
      socket.on('answer', (value) => value === 499 && resolve());
    });
    for (const number of numbers) socket.emit('response', number);
    await done;
    expect(values).toEqual(numbers);
  });

  it('runs global guards, pipes and interceptors, as providers or set on the application', async () => {
    @Module({
      providers: [
        MessagesGateway,
        { provide: APP_GUARD, useClass: TokenGuard },
        { provide: APP_PIPE, useClass: TrimPipe },
        { provide: APP_INTERCEPTOR, useClass: ShoutInterceptor },
      ],
    })
    class GlobalsModule {}
    const { url } = await startApp({ imports: [GlobalsModule], adapter });
    expect(await ask(await connect(url, { auth: { token: 'yes' } }), 'return', '  quiet ')).toBe('QUIET');
    const stranger = await connect(url);
    stranger.emit('return', 'x');
    expect(await next(stranger, 'exception')).toMatchObject({ message: 'Forbidden resource' });
  });

  it('lets middleware of the socket decide before the handlers', async () => {
    @WebSocketGateway()
    class MiddlewareGateway extends MessagesGateway {
      handleConnection(client: Socket): void {
        client.use(([event, data], next) =>
          event === 'return' && data === 'stop' ? next(new Error('stopped')) : next(),
        );
        client.onAny(() => {});
        client.offAny();
      }
    }
    const socket = await connect((await startApp({ providers: [MiddlewareGateway], adapter })).url);
    const answers: unknown[] = [];
    socket.emit('return', 'stop', (answer: unknown) => answers.push(answer));
    expect(await ask(socket, 'return', 'go')).toBe('go');
    expect(answers).toEqual([]);
  });

  it('keeps the place of the handlers among other listeners', async () => {
    const order: string[] = [];
    let connected!: Socket;
    @WebSocketGateway()
    class OrderGateway {
      handleConnection(client: Socket): void {
        connected = client;
        client.on('event', () => order.push('listener of handleConnection'));
      }

      @SubscribeMessage('event')
      event(): string {
        order.push('handler');
        return 'done';
      }
    }
    const socket = await connect((await startApp({ providers: [OrderGateway], adapter })).url);
    connected.on('event', () => order.push('listener added later'));
    await ask(socket, 'event');
    // guards and pipes are asynchronous, so the handler itself comes after every listener
    expect(order).toEqual(['listener of handleConnection', 'listener added later', 'handler']);
  });

  it('stops what streams when its client goes, before handleDisconnect', async () => {
    const order: string[] = [];
    let gone!: () => void;
    const disconnected = new Promise<void>((resolve) => (gone = resolve));
    @WebSocketGateway()
    class StreamGateway {
      @SubscribeMessage('stream')
      stream(): Observable<WsResponse<number>> {
        return concat(of({ event: 'tick', data: 1 }), NEVER).pipe(finalize(() => order.push('stream ended')));
      }

      handleDisconnect(): void {
        order.push('handleDisconnect');
        gone();
      }
    }
    const socket = await connect((await startApp({ providers: [StreamGateway], adapter })).url);
    for (let streams = 0; streams < 2; streams += 1) {
      socket.emit('stream');
      // oxlint-disable-next-line no-await-in-loop
      await next(socket, 'tick');
    }
    socket.disconnect();
    await disconnected;
    expect(order).toEqual(['stream ended', 'stream ended', 'handleDisconnect']);
  });

  it('delivers nothing after the disconnect', async () => {
    const settled: string[] = [];
    let finish!: (value: Observable<string>) => void;
    let gone!: () => void;
    const disconnected = new Promise<void>((resolve) => (gone = resolve));
    @WebSocketGateway()
    class SlowGateway {
      @SubscribeMessage('slow')
      slow(@ConnectedSocket() client: Socket): Promise<Observable<string>> {
        client.emit('started');
        return new Promise((resolve) => (finish = resolve));
      }

      handleDisconnect(): void {
        gone();
      }
    }
    const socket = await connect((await startApp({ providers: [SlowGateway], adapter })).url);
    socket.emit('slow');
    await next(socket, 'started');
    socket.disconnect();
    await disconnected;
    finish(
      of('x').pipe(
        map((value) => {
          settled.push('subscribed');
          return value;
        }),
      ),
    );
    await new Promise((resolve) => setImmediate(resolve));
    expect(settled).toEqual([]);
  });
});
