/** What a stream method may look like, and what it is called with. */
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  createParamDecorator,
  Injectable,
  ParseIntPipe,
  StandardSchemaValidationPipe,
  UseGuards,
  UsePipes,
  ValidationPipe,
  type CanActivate,
  type ExecutionContext,
  type PipeTransform,
} from '@nestjs/common';
import {
  ConnectedSocket,
  MessageBody,
  SubscribeMessage,
  WebSocketGateway,
  WebSocketServer,
  type WsResponse,
} from '@nestjs/websockets';
import { IsNumber } from 'class-validator';
import { MessageStream, SubscribeStream, type Incoming, type Outgoing, type Server, type Socket } from 'nestwire';
import { map, of, scan, tap, toArray, lastValueFrom, type Observable } from 'rxjs';
import { cleanUp, collect, connect, deferred, next, startApp } from '../support.js';

class PointDto {
  @IsNumber()
  x!: number;
}

const validation = new ValidationPipe({ transform: true });

/** Adds up. */
const sumOf = (point$: Observable<PointDto>): Observable<WsResponse<number>> =>
  point$.pipe(
    scan((sum, { x }) => sum + x, 0),
    map((data) => ({ event: 'sum', data })),
  );

afterEach(cleanUp);

describe('a stream in client scope', () => {
  it('is called once a client, with what has passed the pipes', async () => {
    const calls: string[] = [];
    @WebSocketGateway()
    class Gateway {
      @SubscribeStream('point')
      points(
        @MessageStream(PointDto, validation) point$: Observable<PointDto>,
        @ConnectedSocket() client: Socket,
      ): Observable<WsResponse<number>> {
        calls.push(client.id);
        return sumOf(point$);
      }
    }
    const { url } = await startApp({ providers: [Gateway] });
    const client = await connect(url);
    let sum = next(client, 'sum');
    client.emit('point', { x: 1 });
    expect(await sum).toBe(1);
    const failed = await client.emitWithAck('point', { x: 'one' });
    expect(failed).toMatchObject({ status: 'error', statusCode: 400 });
    sum = next(client, 'sum');
    expect(await client.emitWithAck('point', { x: 2 })).toBeUndefined();
    expect(await sum).toBe(3);
    expect(calls).toEqual([client.id]);
  });

  it('keeps the streams of clients apart', async () => {
    @WebSocketGateway()
    class Gateway {
      @SubscribeStream('point')
      points(@MessageStream(PointDto) point$: Observable<PointDto>): Observable<WsResponse<number>> {
        return sumOf(point$);
      }
    }
    const { url } = await startApp({ providers: [Gateway] });
    const clients = await Promise.all([1, 10, 100].map(async (x) => [x, await connect(url)] as const));
    const sums = clients.map(([, client]) => collect(client, 'sum'));
    for (const [x, client] of clients) client.emit('point', { x });
    await Promise.all(clients.map(([x, client]) => client.emitWithAck('point', { x })));
    expect(sums).toEqual([
      [1, 2],
      [10, 20],
      [100, 200],
    ]);
  });

  it('has the data as a handler would: one argument, several, none, bytes', async () => {
    const seen: unknown[] = [];
    @WebSocketGateway()
    class Gateway {
      @SubscribeStream('any')
      any(@MessageStream() any$: Observable<unknown>): Observable<never> {
        any$.subscribe((value) => seen.push(value));
        return of();
      }
    }
    const { url } = await startApp({ providers: [Gateway] });
    const client = await connect(url);
    client.emit('any', 1);
    client.emit('any', 'a', 'b');
    client.emit('any', ['a', 'b']);
    client.emit('any');
    client.emit('any', null);
    client.emit('any', Buffer.from([1, 2]));
    expect(await client.emitWithAck('any')).toBeUndefined();
    expect(await client.emitWithAck('any', 'a', 'b')).toBeUndefined();
    expect(seen).toEqual([1, ['a', 'b'], ['a', 'b'], undefined, null, Buffer.from([1, 2]), undefined, ['a', 'b']]);
  });
});

describe('a stream in gateway scope', () => {
  it('is called once, with the messages of all clients', async () => {
    let calls = 0;
    @WebSocketGateway()
    class Gateway {
      @SubscribeStream('vote', { scope: 'gateway' })
      tally(@MessageStream(PointDto, validation) vote$: Observable<Incoming<PointDto>>): Observable<Outgoing> {
        calls++;
        return vote$.pipe(
          scan((votes, { client, data }) => [...votes, [client.id, data.x, data instanceof PointDto]], [] as unknown[]),
          map((data) => ({ event: 'tally', data })),
        );
      }
    }
    const { url } = await startApp({ providers: [Gateway] });
    const [a, b] = [await connect(url), await connect(url)];
    const first = next(b, 'tally');
    a.emit('vote', { x: 1 });
    expect(await first).toEqual([[a.id, 1, true]]);
    const second = next(a, 'tally');
    expect(await b.emitWithAck('vote', { x: 'two' })).toMatchObject({ status: 'error', statusCode: 400 });
    b.emit('vote', { x: 2 });
    expect(await second).toEqual([
      [a.id, 1, true],
      [b.id, 2, true],
    ]);
    expect(calls).toBe(1);
  });

  it('begins when the gateway has its server and what is injected into it', async () => {
    const seen: unknown[] = [];
    @Injectable()
    class Room {
      readonly name = 'hall';
    }
    @WebSocketGateway({ namespace: 'votes' })
    class Gateway {
      @WebSocketServer() server!: Server;
      constructor(private readonly room: Room) {}

      @SubscribeStream('vote', { scope: 'gateway' })
      tally(@MessageStream() _vote$: Observable<Incoming>): void {
        seen.push((this.server as unknown as { name: string }).name, this.room.name);
      }
    }
    await startApp({ providers: [Gateway, Room] });
    expect(seen).toEqual(['/votes', 'hall']);
  });
});

describe('the parameters of a stream method', () => {
  const Token = createParamDecorator(
    (name: string, context: ExecutionContext) =>
      context.switchToWs().getClient<Socket>().handshake.auth[name] as unknown,
  );
  const Later = createParamDecorator(async (data: unknown) => {
    await Promise.resolve();
    return data;
  });
  const Pattern = createParamDecorator((_data: unknown, context: ExecutionContext) => [
    context.getType(),
    context.getClass().name,
    context.getHandler().name,
    context.switchToWs().getPattern(),
    context.switchToWs().getData(),
  ]);

  class DoublePipe implements PipeTransform {
    transform(value: number): number {
      return value * 2;
    }
  }

  it('may stand in any order, with others of Nest and of the application between them', async () => {
    const seen: unknown[] = [];
    const done = deferred();
    @WebSocketGateway()
    class Gateway {
      @SubscribeStream('first')
      first(
        @MessageStream(Number) value$: Observable<number>,
        _undecorated: unknown,
        @ConnectedSocket() client: Socket,
        @Token('age', ParseIntPipe, new DoublePipe()) age: number,
      ): void {
        value$.subscribe((value) => seen.push(['first', value, _undecorated, client.id, age]));
      }

      @SubscribeStream('last')
      last(
        @Later('later', { transform: (value: unknown) => `piped ${String(value)}` }) later: string,
        @Pattern() pattern: unknown,
        @ConnectedSocket() client: Socket,
        @ConnectedSocket() again: Socket,
        @MessageStream(Number) value$: Observable<number>,
      ): void {
        value$.subscribe((value) => {
          seen.push(['last', value, later, client.id, again === client, pattern]);
          done.resolve();
        });
      }
    }
    const { url } = await startApp({ providers: [Gateway] });
    const client = await connect(url, { auth: { age: '21' } });
    await client.emitWithAck('first', 1);
    client.emit('last', 2);
    await done.promise;
    expect(seen).toEqual([
      ['first', 1, undefined, client.id, 42],
      ['last', 2, 'piped later', client.id, true, ['ws', 'Gateway', 'last', 'last', undefined]],
    ]);
  });

  it('come without a client in gateway scope', async () => {
    const seen: unknown[] = [];
    @WebSocketGateway()
    class Gateway {
      @SubscribeStream('vote', { scope: 'gateway' })
      votes(@Later('config') config: string, @MessageStream() vote$: Observable<Incoming>): void {
        vote$.subscribe(({ data }) => seen.push([config, data]));
      }
    }
    const { url } = await startApp({ providers: [Gateway] });
    await (await connect(url)).emitWithAck('vote', 'yes');
    expect(seen).toEqual([['config', 'yes']]);
  });

  it('pass the pipes of the application and the gateway, set before the adapter or after it, but not those of the method', async () => {
    const append = (text: string): PipeTransform => ({
      transform: (value: unknown, { type }) => (type === 'custom' && typeof value === 'string' ? value + text : value),
    });
    const seen: unknown[] = [];
    @WebSocketGateway()
    @UsePipes(append(' class'))
    class Gateway {
      @UsePipes(append(' method'))
      @SubscribeStream('say')
      say(@Later('given', append(' parameter')) text: string, @MessageStream() say$: Observable<unknown>): void {
        say$.subscribe(() => seen.push(text));
      }
    }
    const { url } = await startApp({
      providers: [Gateway],
      prepare: (app) => void app.useGlobalPipes(append(' global')),
    });
    await (await connect(url)).emitWithAck('say', 1);
    expect(seen).toEqual(['given global class parameter']);
  });

  it('read the metadata of the method from its handler, of decorators above and below', async () => {
    const seen: unknown[] = [];
    const Roles = createParamDecorator((_data: unknown, context: ExecutionContext) => [
      Reflect.getMetadata('above', context.getHandler()),
      Reflect.getMetadata('below', context.getHandler()),
    ]);
    @WebSocketGateway()
    class Gateway {
      @Reflect.metadata('none', 0)
      other(): void {}

      @(((_target, _key, { value }) => Reflect.defineMetadata('above', 1, value!)) as MethodDecorator as any)
      @SubscribeStream('say')
      @(((_target, _key, { value }) => Reflect.defineMetadata('below', 2, value!)) as MethodDecorator as any)
      say(@Roles() roles: unknown, @MessageStream() say$: Observable<unknown>): void {
        say$.subscribe(() => seen.push(roles));
      }
    }
    const { url } = await startApp({ providers: [Gateway] });
    await (await connect(url)).emitWithAck('say', 1);
    expect(seen).toEqual([[1, 2]]);
  });
});

describe('what an element is', () => {
  /** A schema of the Standard Schema specification. */
  const schema = {
    '~standard': {
      version: 1 as const,
      vendor: 'spec',
      types: undefined as { input: unknown; output: { n: number } } | undefined,
      validate: (value: unknown) =>
        typeof value === 'string' && /^\d+$/.test(value)
          ? { value: { n: Number(value) } }
          : { issues: [{ message: 'not a number', path: ['n'] }] },
    },
  };

  it.each<[string, () => any, (type: any) => void]>([
    ['of the application', () => [], (app) => void app.useGlobalPipes(new StandardSchemaValidationPipe())],
    ['beside it', () => [new StandardSchemaValidationPipe()], () => {}],
    ['beside it, as a class', () => [StandardSchemaValidationPipe], () => {}],
  ])('may be said by a schema, with a pipe %s', async (_name, pipes, prepare) => {
    const seen: unknown[] = [];
    @WebSocketGateway()
    class Gateway {
      @SubscribeStream('number')
      numbers(@MessageStream({ schema, pipes: pipes() }) number$: Observable<{ n: number }>): void {
        number$.subscribe((value) => seen.push(value));
      }
    }
    const { url } = await startApp({ providers: [Gateway], prepare });
    const client = await connect(url);
    expect(await client.emitWithAck('number', '12')).toBeUndefined();
    expect(await client.emitWithAck('number', 'x')).toEqual({
      status: 'error',
      statusCode: 400,
      error: 'Bad Request',
      message: ['n: not a number'],
    });
    expect(seen).toEqual([{ n: 12 }]);
  });

  it.each<[string, any]>([
    ['a class', PointDto],
    ['String', String],
    ['Number', Number],
    ['Boolean', Boolean],
  ])('may be %s, as pipes see it', async (_name, type) => {
    const seen: unknown[] = [];
    const pipe: PipeTransform = { transform: (value: unknown, metadata) => (seen.push(metadata), value) };
    @WebSocketGateway()
    class Gateway {
      @SubscribeStream('value')
      values(@MessageStream(type, pipe) _value$: Observable<any>): void {}
    }
    const { url } = await startApp({ providers: [Gateway] });
    await (await connect(url)).emitWithAck('value', 1);
    expect(seen).toEqual([{ type: 'body', metatype: type, data: undefined, schema: undefined }]);
  });

  it('is what the pipes make of it, where only pipes are named', async () => {
    const seen: unknown[] = [];
    class AddPipe implements PipeTransform {
      transform(value: number): number {
        return value + 1;
      }
    }
    @WebSocketGateway()
    class Gateway {
      @SubscribeStream('value')
      values(@MessageStream(ParseIntPipe, new AddPipe()) value$: Observable<number>): void {
        value$.subscribe((value) => seen.push(value));
      }
    }
    const { url } = await startApp({ providers: [Gateway] });
    await (await connect(url)).emitWithAck('value', '5');
    expect(seen).toEqual([6]);
  });
});

describe('what a stream method returns', () => {
  it.each<[string, (value$: Observable<number>) => any]>([
    ['an Observable', (value$) => value$],
    ['a promise of one', (value$) => Promise.resolve(value$)],
    ['a promise of one, later', async (value$) => (await new Promise(setImmediate), value$)],
  ])('%s is sent', async (_name, answer) => {
    @WebSocketGateway()
    class Gateway {
      @SubscribeStream('value')
      values(@MessageStream(Number) value$: Observable<number>): Observable<number> {
        return answer(value$);
      }
    }
    const { url } = await startApp({ providers: [Gateway] });
    const client = await connect(url);
    const values = collect(client, 'value');
    client.emit('value', 1);
    await client.emitWithAck('value', 2);
    await client.emitWithAck('value', 3);
    expect(values).toEqual([1, 2, 3]);
  });

  it.each<[string, () => any]>([
    ['nothing', () => undefined],
    ['a promise of nothing', async () => {}],
  ])('%s, when it subscribes itself', async (_name, answer) => {
    const seen: number[] = [];
    @WebSocketGateway()
    class Gateway {
      @SubscribeStream('value')
      values(@MessageStream(Number) value$: Observable<number>): void {
        value$.subscribe((value) => seen.push(value));
        return answer();
      }
    }
    const { url } = await startApp({ providers: [Gateway] });
    const client = await connect(url);
    client.emit('value', 1);
    await client.emitWithAck('value', 2);
    expect(seen).toEqual([1, 2]);
  });
});

describe('streams beside each other', () => {
  it('of one event in one gateway each have every message, and the sender one answer', async () => {
    const seen: string[] = [];
    @WebSocketGateway()
    class Gateway {
      @SubscribeStream('word')
      one(@MessageStream() word$: Observable<string>): void {
        word$.subscribe((word) => seen.push(`one ${word}`));
      }

      @SubscribeStream('word', { scope: 'gateway' })
      two(@MessageStream() word$: Observable<Incoming<string>>): void {
        word$.subscribe(({ data }) => seen.push(`two ${data}`));
      }
    }
    const { url } = await startApp({ providers: [Gateway] });
    const client = await connect(url);
    const answers: unknown[] = [];
    client.emit('word', 'a', (...answer: unknown[]) => answers.push(answer));
    await client.emitWithAck('word', 'b');
    await client.emitWithAck('word', 'c');
    expect(answers).toEqual([[]]);
    expect(seen.slice(0, 4)).toEqual(['one a', 'two a', 'one b', 'two b']);
  });

  it('of the event of a handler have what it has', async () => {
    const seen: string[] = [];
    @WebSocketGateway()
    class Gateway {
      @SubscribeMessage('word')
      handle(@MessageBody() word: string): void {
        seen.push(`handler ${word}`);
      }

      @SubscribeStream('word')
      words(@MessageStream() word$: Observable<string>): void {
        word$.subscribe((word) => seen.push(`stream ${word}`));
      }

      @SubscribeMessage('other')
      other(@MessageBody() word: string): string {
        return `other ${word}`;
      }
    }
    const { url } = await startApp({ providers: [Gateway] });
    const client = await connect(url);
    expect(await client.emitWithAck('word', 'a')).toBeUndefined();
    expect(await client.emitWithAck('other', 'b')).toBe('other b');
    expect(seen.toSorted()).toEqual(['handler a', 'stream a']);
  });

  it('of several gateways of a namespace, and of others', async () => {
    const seen: string[] = [];
    const makeGateway = (namespace: string, name: string): new () => object => {
      @WebSocketGateway({ namespace })
      class Gateway {
        @SubscribeStream('word')
        words(@MessageStream() word$: Observable<string>): void {
          word$.subscribe((word) => seen.push(`${name} ${word}`));
        }
      }
      return Gateway;
    };
    const { url } = await startApp({
      providers: [makeGateway('a', 'a1'), makeGateway('a', 'a2'), makeGateway('b', 'b')],
    });
    const [a, b] = [await connect(`${url}/a`), await connect(`${url}/b`)];
    await a.emitWithAck('word', 'x');
    await a.emitWithAck('word', 'y');
    await b.emitWithAck('word', 'z');
    expect(seen.toSorted()).toEqual(['a1 x', 'a1 y', 'a2 x', 'a2 y', 'b z']);
    expect(seen.indexOf('a2 x')).toBeLessThan(seen.indexOf('a1 y'));
  });

  it('of one gateway class in two applications of a process', async () => {
    const seen: unknown[] = [];
    @Injectable()
    class Name {
      name = '';
    }
    class UpperPipe implements PipeTransform {
      transform(value: string): string {
        return value.toUpperCase();
      }
    }
    @WebSocketGateway()
    class Gateway {
      constructor(private readonly name: Name) {}

      @UsePipes(new UpperPipe())
      @SubscribeStream('word')
      words(@MessageStream() word$: Observable<string>, @ConnectedSocket() client: Socket): void {
        word$.subscribe((word) => seen.push([this.name.name, word, client.id]));
      }

      @SubscribeStream('all', { scope: 'gateway' })
      all(@MessageStream() word$: Observable<Incoming<string>>): void {
        word$.subscribe(({ data }) => seen.push([this.name.name, 'all', data]));
      }
    }
    const start = async (name: string) => {
      const { url } = await startApp({ providers: [Gateway, { provide: Name, useValue: { name } }] });
      return connect(url);
    };
    const one = await start('one');
    const two = await start('two');
    await one.emitWithAck('word', 'a');
    await two.emitWithAck('word', 'b');
    await one.emitWithAck('all', 'c');
    await two.emitWithAck('all', 'd');
    expect(seen).toEqual([
      ['one', 'A', one.id],
      ['two', 'B', two.id],
      ['one', 'all', 'c'],
      ['two', 'all', 'd'],
    ]);
  });
});

describe('a gateway that extends one with streams', () => {
  const refuseNo: CanActivate = { canActivate: (context) => context.switchToWs().getData() !== 'no' };
  /** Of one method only: throws at anything but its own messages. */
  const upper: PipeTransform = { transform: (value: string) => value.toUpperCase() };

  const makeGateways = () => {
    const seen: unknown[] = [];
    @WebSocketGateway({ namespace: 'parent' })
    class Parent {
      @UsePipes(upper)
      @SubscribeStream('word')
      @UseGuards(refuseNo)
      words(@ConnectedSocket() client: Socket, @MessageStream() word$: Observable<string>): void {
        word$.subscribe((word) => seen.push([this.constructor.name, word, client.id]));
      }

      @SubscribeStream('other')
      others(@MessageStream(Number) other$: Observable<unknown>): Observable<unknown> {
        return other$.pipe(tap((value) => seen.push([this.constructor.name, 'of the parent', value])));
      }
    }
    @WebSocketGateway({ namespace: 'child' })
    class Child extends Parent {
      @SubscribeStream('other')
      override others(@MessageStream(PointDto, validation) point$: Observable<unknown>): Observable<unknown> {
        return super.others(point$.pipe(map((point) => [point instanceof PointDto, point])));
      }
    }
    @WebSocketGateway({ namespace: 'plain' })
    class Plain extends Parent {
      // no decorator, no stream
      override others(): Observable<unknown> {
        return of();
      }

      @SubscribeStream('more')
      more(@MessageStream() more$: Observable<unknown>): void {
        more$.subscribe((value) => seen.push(['more', value]));
      }
    }
    return { seen, Parent, Child, Plain };
  };

  it.each([
    ['the parent first', (all: ReturnType<typeof makeGateways>) => [all.Parent, all.Child, all.Plain]],
    ['the children first', (all: ReturnType<typeof makeGateways>) => [all.Plain, all.Child, all.Parent]],
    ['only the child', (all: ReturnType<typeof makeGateways>) => [all.Child]],
  ])('inherits them, with parameters, guards and pipes: %s', async (_name, gateways) => {
    const all = makeGateways();
    const classes = gateways(all);
    const { url } = await startApp({ providers: classes });
    for (const { name } of classes) {
      // oxlint-disable no-await-in-loop
      const client = await connect(`${url}/${name.toLowerCase()}`);
      await client.emitWithAck('word', 'yes');
      expect(await client.emitWithAck('word', 'no')).toMatchObject({ message: 'Forbidden resource' });
      expect(all.seen.splice(0)).toEqual([[name, 'YES', client.id]]);
      // oxlint-enable no-await-in-loop
    }
  });

  it('may override one, and call it', async () => {
    const { seen, Parent, Child, Plain } = makeGateways();
    const { url } = await startApp({ providers: [Plain, Child, Parent] });
    const child = await connect(`${url}/child`);
    const answer = next(child, 'other');
    await child.emitWithAck('other', { x: 1 });
    expect(await answer).toEqual([true, { x: 1 }]);
    expect(await child.emitWithAck('other', 1)).toMatchObject({ statusCode: 400 });
    const plain = await connect(`${url}/plain`);
    const answers: unknown[] = [];
    plain.emit('other', 2, (...args: unknown[]) => answers.push(args));
    await plain.emitWithAck('more', 3);
    expect(seen.splice(0)).toEqual([
      ['Child', 'of the parent', [true, { x: 1 }]],
      ['more', 3],
    ]);
    expect(answers).toEqual([]);
    const parent = await connect(`${url}/parent`);
    await parent.emitWithAck('other', 4);
    expect(seen).toEqual([['Parent', 'of the parent', 4]]);
  });

  it('need not extend a gateway', async () => {
    const seen: unknown[] = [];
    abstract class Base {
      @SubscribeStream('word')
      words(@MessageStream() word$: Observable<string>, @ConnectedSocket() client: Socket): void {
        word$.subscribe((word) => seen.push([word, client.id]));
      }
    }
    @WebSocketGateway()
    class Gateway extends Base {}
    const { url } = await startApp({ providers: [Gateway] });
    const client = await connect(url);
    await client.emitWithAck('word', 'a');
    expect(seen).toEqual([['a', client.id]]);
  });

  it('may make of a stream an ordinary handler', async () => {
    class Base {
      @SubscribeStream('word')
      words(@MessageStream() _word$: Observable<string>, ..._more: unknown[]): any {}
    }
    @WebSocketGateway()
    class Gateway extends Base {
      @SubscribeMessage('word')
      override words(@MessageBody() word: any, @ConnectedSocket() client: Socket): unknown {
        return [word, client.id];
      }
    }
    const { url } = await startApp({ providers: [Gateway] });
    const client = await connect(url);
    expect(await client.emitWithAck('word', 'a')).toEqual(['a', client.id]);
  });
});

it('a stream method can be called by a test of its class', async () => {
  @WebSocketGateway()
  class Gateway {
    private readonly factor = 2;

    @SubscribeStream('value')
    values(@ConnectedSocket() client: Socket, @MessageStream(Number) value$: Observable<number>): Observable<string> {
      return value$.pipe(map((value) => `${client.id} ${value * this.factor}`));
    }
  }
  const result$ = new Gateway().values({ id: 'x' } as Socket, of(1, 2));
  expect(await lastValueFrom(result$.pipe(toArray()))).toEqual(['x 2', 'x 4']);
});
