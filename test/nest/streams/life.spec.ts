import { afterEach, describe, expect, it } from '@jest/globals';
import { type CanActivate, type ExecutionContext, UseGuards } from '@nestjs/common';
import { ConnectedSocket, WebSocketGateway, WsException, type OnGatewayConnection } from '@nestjs/websockets';
import { MessageStream, NestwireAdapter, SubscribeStream, type Incoming, type Outgoing } from 'nestwire';
import { concat, defer, EMPTY, finalize, ignoreElements, interval, NEVER, of, tap, type Observable } from 'rxjs';
import type { Socket } from 'socket.io';
import { until } from '../../client/support.js';
import { cleanUp, client as makeClient, connect, deferred, next, startApp } from '../support.js';

afterEach(cleanUp);

/** What happens to the stream of one client. */
class Life {
  readonly events: string[] = [];
  readonly over = deferred();

  follow(stream: Observable<unknown>): Observable<never> {
    this.events.push('called');
    return stream.pipe(
      tap({ next: (data) => this.events.push(`got ${String(data)}`), complete: () => this.events.push('completed') }),
      ignoreElements(),
      finalize(() => {
        this.events.push('finalized');
        this.over.resolve();
      }),
    );
  }
}

/** An application with one stream in client scope, and what it sees. */
async function startLife(
  body?: (stream: Observable<string>, client: Socket, life: Life) => Observable<unknown>,
  heartbeat: { pingInterval?: number; pingTimeout?: number } = {},
) {
  const life = new Life();
  const sockets: Socket[] = [];
  @WebSocketGateway(heartbeat)
  class Gateway implements OnGatewayConnection {
    handleConnection(client: Socket): void {
      sockets.push(client);
    }

    @SubscribeStream('word')
    words(@MessageStream(String) word$: Observable<string>, @ConnectedSocket() client: Socket): Observable<unknown> {
      return body ? body(word$, client, life) : life.follow(word$);
    }
  }
  let adapter!: NestwireAdapter;
  const running = await startApp({
    providers: [Gateway],
    adapter: (app) => (adapter = new NestwireAdapter(app)),
  });
  return { ...running, life, sockets, adapter: () => adapter };
}

describe('a stream of a client', () => {
  it('begins when the client connects, also for one that never sends', async () => {
    const { url, life, adapter } = await startLife();
    await connect(url);
    expect(life.events).toEqual(['called']);
    expect(adapter().streamStats()).toEqual([
      {
        stream: 'Gateway.words()',
        event: 'word',
        active: 1,
        admitted: 0,
        overflowed: 0,
        timedOut: 0,
        failed: 0,
        dropped: 0,
      },
    ]);
  });

  it('may send from the beginning', async () => {
    const { url } = await startLife((word$) => concat(of({ event: 'welcome', data: 1 }), word$));
    const client = makeClient(url);
    const welcome = next(client, 'welcome');
    client.connect();
    expect(await welcome).toBe(1);
  });

  it.each<[string, (client: Awaited<ReturnType<typeof connect>>, socket: Socket) => unknown]>([
    ['the client disconnects', (client) => client.disconnect()],
    ['the server disconnects the client', (_client, socket) => socket.disconnect(true)],
    ['the server ends the namespace of the client', (_client, socket) => socket.disconnect()],
    ['the connection is closed', (_client, socket) => socket.conn.close()],
    ['the connection is cut', (client) => (client.io.engine.transport as any).ws._socket.destroy()],
    [
      'the client falls silent',
      (client) => ((client.io.engine.transport as any).ws._socket as { pause(): void }).pause(),
    ],
  ])('completes when %s', async (name, end) => {
    const isSilent = name === 'the client falls silent';
    const heartbeat = isSilent ? { pingInterval: 500, pingTimeout: 500 } : {};
    const { url, life, sockets, adapter } = await startLife(undefined, heartbeat);
    const client = await connect(url);
    const { _socket: wire } = (client.io.engine.transport as any).ws;
    await client.emitWithAck('word', 'hello');
    end(client, sockets[0]!);
    await life.over.promise;
    // one that is silent hears nothing either
    wire.destroy();
    expect(life.events).toEqual(['called', 'got hello', 'completed', 'finalized']);
    expect(adapter().streamStats()[0]).toMatchObject({ active: 0, admitted: 1 });
  });

  it('completes when the application closes', async () => {
    const { app, url, life } = await startLife();
    await connect(url);
    await app.close();
    expect(life.events).toEqual(['called', 'completed', 'finalized']);
  });

  it('ends what does not end with its source', async () => {
    let ticks = 0;
    const { url, life } = await startLife((word$, _client, life) =>
      concat(
        life.follow(word$).pipe(ignoreElements()),
        defer(() => NEVER),
      ),
    );
    const { url: other, life: otherLife } = await startLife((_word$, _client, life) =>
      interval(1).pipe(
        tap(() => ticks++),
        (source) => life.follow(source),
      ),
    );
    const a = await connect(url);
    const b = await connect(other);
    a.disconnect();
    b.disconnect();
    await Promise.all([life.over.promise, otherLife.over.promise]);
    expect(otherLife.events.at(-1)).toBe('finalized');
    expect(otherLife.events).not.toContain('completed');
  });

  it('may send to others at its end, and no more to its own client', async () => {
    const { url } = await startLife((word$) =>
      concat(word$.pipe(ignoreElements()), of({ event: 'mine', data: 1 }, { event: 'left', data: 2, to: 'all' })),
    );
    const { url: url2, sockets } = await startLife((word$, client) => {
      void client.join('all');
      return concat(word$.pipe(ignoreElements()), of({ event: 'left', data: client.id, to: 'all' }));
    });
    const one = await connect(url);
    one.disconnect();
    const leaving = await connect(url2);
    const staying = await connect(url2);
    const left = next(staying, 'left');
    leaving.disconnect();
    expect(await left).toBe(sockets[0]!.id);
  });

  it('takes what had arrived before its client went, and completes then', async () => {
    const life = new Life();
    const open = deferred<boolean>();
    const guarded = deferred();
    const gone = deferred();
    class Guard implements CanActivate {
      canActivate(context: ExecutionContext): boolean | Promise<boolean> {
        guarded.resolve();
        return context.switchToWs().getData<string>() === 'first' ? open.promise : true;
      }
    }
    @WebSocketGateway()
    class Gateway {
      handleDisconnect(): void {
        gone.resolve();
      }

      @UseGuards(Guard)
      @SubscribeStream('word')
      words(@MessageStream(String) word$: Observable<string>): Observable<never> {
        return life.follow(word$);
      }
    }
    const { url } = await startApp({ providers: [Gateway] });
    const client = await connect(url);
    client.emit('word', 'first');
    client.emit('word', 'second');
    await guarded.promise;
    client.disconnect();
    await gone.promise;
    expect(life.events).toEqual(['called']);
    open.resolve(true);
    await life.over.promise;
    expect(life.events).toEqual(['called', 'got first', 'got second', 'completed', 'finalized']);
  });

  it('is not begun for a client whose connection failed', async () => {
    const calls: string[] = [];
    @WebSocketGateway()
    class Gateway implements OnGatewayConnection {
      handleConnection(): void {
        throw new WsException('not you');
      }

      @SubscribeStream('word')
      words(@MessageStream(String) _word$: Observable<string>): Observable<never> {
        calls.push('called');
        return EMPTY;
      }
    }
    const { url } = await startApp({ providers: [Gateway] });
    const client = makeClient(url);
    const refused = next(client, 'exception');
    client.connect();
    expect(await refused).toEqual({ status: 'error', message: 'not you' });
    expect(calls).toEqual([]);
  });

  it('holds messages while its method is not there yet, and has them in order then', async () => {
    const ready = deferred();
    const life = new Life();
    @WebSocketGateway()
    class Gateway {
      @SubscribeStream('word')
      async words(@MessageStream(String) word$: Observable<string>): Promise<Observable<never>> {
        await ready.promise;
        return life.follow(word$);
      }
    }
    const { url } = await startApp({ providers: [Gateway] });
    const client = await connect(url);
    await client.emitWithAck('word', 'a');
    await client.emitWithAck('word', 'b');
    expect(life.events).toEqual([]);
    ready.resolve();
    await client.emitWithAck('word', 'c');
    expect(life.events).toEqual(['called', 'got a', 'got b', 'got c']);
    client.disconnect();
    await life.over.promise;
  });

  it('is completed after what it held when its client goes before its method is there', async () => {
    const ready = deferred();
    const left = deferred();
    const life = new Life();
    @WebSocketGateway()
    class Gateway {
      handleDisconnect(): void {
        left.resolve();
      }

      @SubscribeStream('word')
      async words(@MessageStream(String) word$: Observable<string>): Promise<Observable<never>> {
        await ready.promise;
        return life.follow(word$);
      }
    }
    const { url } = await startApp({ providers: [Gateway] });
    const client = await connect(url);
    await client.emitWithAck('word', 'a');
    client.disconnect();
    await left.promise;
    ready.resolve();
    await life.over.promise;
    expect(life.events).toEqual(['called', 'got a', 'completed', 'finalized']);
  });

  it('refuses what is sent when nobody takes it any more', async () => {
    const { url } = await startLife(() => EMPTY);
    const client = await connect(url);
    expect(await client.emitWithAck('word', 'a')).toEqual({
      status: 'error',
      code: 'stream_ended',
      message: '"word" takes no more messages',
    });
  });
});

describe('a stream of a gateway', () => {
  it('begins with the server, has all clients, and completes when the application closes', async () => {
    const events: string[] = [];
    @WebSocketGateway()
    class Gateway {
      afterInit(): void {
        events.push('init');
      }

      @SubscribeStream('word', { scope: 'gateway' })
      words(@MessageStream(String) word$: Observable<Incoming<string>>): Observable<Outgoing> {
        events.push('called');
        return word$.pipe(
          tap({
            next: ({ client, data }) => events.push(`${client.id} ${data}`),
            complete: () => events.push('completed'),
          }),
          finalize(() => events.push('finalized')),
          ignoreElements(),
        );
      }
    }
    const { app, url } = await startApp({ providers: [Gateway] });
    expect(events).toEqual(['init', 'called']);
    const [a, b] = [await connect(url), await connect(url)];
    await a.emitWithAck('word', 'one');
    await b.emitWithAck('word', 'two');
    a.disconnect();
    await b.emitWithAck('word', 'three');
    await app.close();
    expect(events.slice(2).map((event) => event.split(' ').at(-1))).toEqual([
      'one',
      'two',
      'three',
      'completed',
      'finalized',
    ]);
  });

  it('leaves nothing behind of clients that have come and gone', async () => {
    const { url, adapter } = await startLife();
    for (let i = 0; i < 20; i++) {
      // oxlint-disable-next-line no-await-in-loop
      const clients = await Promise.all(Array.from({ length: 5 }, () => connect(url)));
      for (const client of clients) client.disconnect();
    }
    await until(() => adapter().streamStats()[0]!.active === 0, 'every stream ended');
  });
});
