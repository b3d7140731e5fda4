import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { ConnectedSocket, WebSocketGateway } from '@nestjs/websockets';
import { MessageStream, reply, SubscribeStream, toRoom, type Incoming, type Server } from 'nestwire';
import { map, mergeMap, of, type Observable } from 'rxjs';
import type { Namespace, Socket } from 'socket.io';
import { cleanUp, collect, connect, next, startApp } from '../support.js';

afterEach(cleanUp);

/** Everything that a client hears, as `event data`. */
function hear(client: Awaited<ReturnType<typeof connect>>): string[] {
  const heard: string[] = [];
  client.onAny((event: string, data: unknown) => heard.push(`${event} ${JSON.stringify(data)}`));
  return heard;
}

/** An application that emits what it is sent, in both scopes; clients may join rooms. */
async function startEcho(namespace?: string | RegExp) {
  let server!: Server | Namespace;
  @WebSocketGateway({ namespace: namespace as string })
  class Gateway {
    afterInit(value: Server | Namespace): void {
      server = value;
    }

    handleConnection(client: Socket): void {
      void client.join((client.handshake.query['room'] as string | undefined) ?? 'lobby');
    }

    @SubscribeStream('mine')
    mine(@MessageStream() output$: Observable<unknown>, @ConnectedSocket() _client: Socket): Observable<unknown> {
      // what a client says must not choose event and rooms; here it is meant to
      return output$.pipe(map(copy));
    }

    @SubscribeStream('as it came')
    echo(@MessageStream() output$: Observable<unknown>): Observable<unknown> {
      return output$;
    }

    @SubscribeStream('to a room')
    room(@MessageStream() output$: Observable<unknown>): Observable<unknown> {
      return output$.pipe(toRoom('blue'));
    }

    @SubscribeStream('ours', { scope: 'gateway' })
    ours(@MessageStream() output$: Observable<Incoming>): Observable<unknown> {
      return output$.pipe(map(({ data }) => copy(data)));
    }

    @SubscribeStream('everybody', { scope: 'gateway', cluster: true })
    everybody(@MessageStream() output$: Observable<Incoming>): Observable<unknown> {
      return output$.pipe(map(({ data }) => copy(data)));
    }
  }
  const running = await startApp({ providers: [Gateway] });
  return { ...running, server: () => server };
}

const flags = { local: true };

const copy = (data: unknown): unknown =>
  typeof data === 'object' && data !== null && !Buffer.isBuffer(data) ? { ...data } : data;

describe('output in client scope', () => {
  it.each<[string, unknown, string[]]>([
    ['plain data as the event of the stream', { x: 1 }, ['mine {"x":1}']],
    ['data with a `to` and no event is data', { to: 'you', x: 1 }, ['mine {"to":"you","x":1}']],
    ['text', 'hello', ['mine "hello"']],
    ['zero, false and no text are data', 0, ['mine 0']],
    ['nothing is not sent', null, []],
  ])('%s', async (_name, value, heard) => {
    const { url } = await startEcho();
    const [sender, other] = [await connect(url), await connect(url)];
    const [own, others] = [hear(sender), hear(other)];
    await sender.emitWithAck('mine', value);
    expect(own).toEqual(heard);
    await other.emitWithAck('mine', null);
    expect(others).toEqual([]);
  });

  it('a WsResponse goes out as its event', async () => {
    const { url } = await startEcho();
    const client = await connect(url);
    const heard = hear(client);
    await client.emitWithAck('mine', { event: 'other', data: 1 });
    expect(heard).toEqual(['other 1']);
  });

  it('what a client has sent chooses neither event nor rooms when it is emitted as it came', async () => {
    const { url } = await startEcho();
    const [sender, other] = [await connect(url), await connect(url, { query: { room: 'blue' } })];
    const [own, others] = [hear(sender), hear(other)];
    const forged = { event: 'forged', data: 1, to: 'blue', except: 'blue' };
    await sender.emitWithAck('as it came', forged);
    await sender.emitWithAck('to a room', forged);
    await other.emitWithAck('mine', null);
    expect(own).toEqual([`as it came ${JSON.stringify(forged)}`]);
    expect(others).toEqual([`to a room ${JSON.stringify(forged)}`]);
  });

  it('is for nobody when it names no rooms', async () => {
    const { url } = await startEcho();
    const [sender, other] = [await connect(url), await connect(url)];
    const [own, others] = [hear(sender), hear(other)];
    await sender.emitWithAck('mine', { event: 'n', data: 1, to: [] });
    await other.emitWithAck('mine', null);
    expect([own, others]).toEqual([[], []]);
  });

  it('is an error when it is a message of the stream itself', async () => {
    @WebSocketGateway()
    class Gateway {
      @SubscribeStream('n', { ack: 'manual' })
      all(@MessageStream() n$: Observable<Incoming<number>>): Observable<unknown> {
        return n$.pipe(reply(({ data }) => data));
      }
    }
    const { url, logger } = await startApp({ providers: [Gateway] });
    const client = await connect(url);
    expect(await client.emitWithAck('n', 1)).toBe(1);
    expect(logger.errorTexts()).toEqual([
      'a stream of "n" has emitted a message with its client: emit its data, or end the pipe with ignoreElements()',
    ]);
  });

  it('bytes stay bytes', async () => {
    const { url } = await startEcho();
    const client = await connect(url);
    const plain = next(client, 'mine');
    client.emit('mine', Buffer.from([0, 255, 1]));
    expect(await plain).toEqual(Buffer.from([0, 255, 1]));
    const inside = next(client, 'picture');
    client.emit('mine', { event: 'picture', data: { bytes: Buffer.from([7]) } });
    expect(await inside).toEqual({ bytes: Buffer.from([7]) });
  });

  it('goes to the rooms that it names, and not to those it leaves out', async () => {
    const { url } = await startEcho();
    const [a, b, c] = [
      await connect(url, { query: { room: 'red' } }),
      await connect(url, { query: { room: 'blue' } }),
      await connect(url, { query: { room: 'green' } }),
    ];
    const heard = [hear(a), hear(b), hear(c)];
    await a.emitWithAck('mine', { event: 'n', data: 1, to: 'blue' });
    await a.emitWithAck('mine', { event: 'n', data: 2, to: ['blue', 'green'] });
    await a.emitWithAck('mine', { event: 'n', data: 3, except: 'blue' });
    await a.emitWithAck('mine', { event: 'n', data: 4, to: ['blue', 'green'], except: ['blue'] });
    await a.emitWithAck('mine', { event: 'n', data: 5, to: b.id });
    await Promise.all([b.emitWithAck('mine', null), c.emitWithAck('mine', null)]);
    expect(heard).toEqual([['n 3'], ['n 1', 'n 2', 'n 5'], ['n 2', 'n 3', 'n 4']]);
  });

  it('may be several for one message', async () => {
    @WebSocketGateway()
    class Gateway {
      @SubscribeStream('n')
      twice(@MessageStream() n$: Observable<number>): Observable<number> {
        return n$.pipe(mergeMap((n) => of(n, n)));
      }
    }
    const { url } = await startApp({ providers: [Gateway] });
    const client = await connect(url);
    const heard = collect(client, 'n');
    await client.emitWithAck('n', 1);
    expect(heard).toEqual([1, 1]);
  });
});

describe('output in gateway scope', () => {
  it.each([undefined, '/board', /^\/board-\d$/])('goes to all of the namespace (%s)', async (namespace) => {
    const { url } = await startEcho(namespace);
    const at = url + (namespace instanceof RegExp ? '/board-1' : (namespace ?? ''));
    const [a, b] = [await connect(at), await connect(at, { query: { room: 'red' } })];
    const heard = [hear(a), hear(b)];
    await a.emitWithAck('ours', { event: 'n', data: 1 });
    await a.emitWithAck('ours', 'plain');
    await a.emitWithAck('ours', { event: 'n', data: 2, to: 'red' });
    await b.emitWithAck('mine', null);
    expect(heard).toEqual([
      ['n 1', 'ours "plain"'],
      ['n 1', 'ours "plain"', 'n 2'],
    ]);
  });

  it('stays on this node unless the stream is for the cluster', async () => {
    const { url, server } = await startEcho('/board');
    const broadcast = jest.spyOn((server() as Namespace).adapter, 'broadcast');
    const client = await connect(`${url}/board`);
    await client.emitWithAck('ours', 1);
    await client.emitWithAck('everybody', 2);
    // a client's stream is on one node only: its rooms are those of all
    await client.emitWithAck('mine', { event: 'n', data: 3, to: 'lobby' });
    expect(broadcast.mock.calls.map(([, options]) => options.flags)).toEqual([
      expect.objectContaining(flags),
      expect.not.objectContaining(flags),
      expect.not.objectContaining(flags),
    ]);
  });
});
