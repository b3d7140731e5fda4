/** Operators in a gateway: what they cannot do by themselves, and need the gateway for. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { BadRequestException, Catch, UseFilters, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { WebSocketGateway, WsException } from '@nestjs/websockets';
import {
  MessageStream,
  NestwireAdapter,
  perClient,
  reply,
  replyError,
  SubscribeStream,
  toRoom,
  untilDisconnect,
  type Incoming,
  type Socket,
} from 'nestwire';
import { finalize, ignoreElements, interval, map, merge, Subject, toArray, type Observable } from 'rxjs';
import { cleanUp, collect, connect, deferred, next, startApp } from '../support.js';

afterEach(cleanUp);

const UNKNOWN = { status: 'error', message: 'Internal server error' };

const ERRORS: Record<string, () => unknown> = {
  ws: () => new WsException('not now'),
  http: () => new BadRequestException(['not this']),
  unknown: () => new Error('secret'),
};

/** Answers with what it gets, throws what it is asked for, and takes its time when told. */
class Work {
  readonly waiting: Subject<string>[] = [];

  answer = (data: unknown): unknown => {
    if (data === 'circular') {
      const circle: Record<string, unknown> = {};
      return (circle['self'] = circle);
    }
    if (data === 'wait') {
      const subject = new Subject<string>();
      this.waiting.push(subject);
      return subject;
    }
    const error = ERRORS[String(data)];
    if (error !== undefined) throw error();
    return data;
  };
}

async function startReply() {
  const work = new Work();
  const fail = new Subject<string>();
  const filtered: unknown[][] = [];
  let adapter!: NestwireAdapter;

  @Catch(BadRequestException)
  class Filter implements ExceptionFilter {
    catch(exception: BadRequestException, host: ArgumentsHost): void {
      const ws = host.switchToWs();
      filtered.push([ws.getClient<Socket>().id, ws.getData(), ws.getPattern()]);
      replyError(host, { from: 'the filter', message: exception.message });
    }
  }

  @WebSocketGateway()
  class Gateway {
    @SubscribeStream('ask', { ack: 'manual' })
    ask(@MessageStream() question$: Observable<Incoming>): Observable<unknown> {
      const answered$ = question$.pipe(
        reply(
          ({ data, ack }) => {
            if (data === 'itself') {
              ack('answered');
              throw new WsException('too late');
            }
            return work.answer(data);
          },
          { limit: 2 },
        ),
        ignoreElements(),
      );
      const failure$ = fail.pipe(
        map((text): never => {
          throw new Error(text);
        }),
      );
      return merge(answered$, failure$);
    }

    @SubscribeStream('filtered', { ack: 'manual', scope: 'gateway' })
    @UseFilters(Filter)
    filtered(@MessageStream() question$: Observable<Incoming>): Observable<unknown> {
      return question$.pipe(
        reply(({ data }) => work.answer(data)),
        toRoom(({ client }) => client.id),
        map(({ data: { answer }, to }) => ({ event: 'answered', data: answer, to })),
      );
    }

    @SubscribeStream('auto', { scope: 'gateway' })
    auto(@MessageStream() question$: Observable<Incoming>): Observable<unknown> {
      return question$.pipe(
        reply(({ data }) => work.answer(data)),
        ignoreElements(),
      );
    }
  }
  const running = await startApp({
    providers: [Gateway],
    adapter: (app) => (adapter = new NestwireAdapter(app)),
  });
  const stats = (event: string) => adapter.streamStats().find((one) => one.event === event)!;
  return { ...running, work, fail, filtered, stats };
}

describe('reply in a gateway', () => {
  it('answers, and a failure is answered as that of a handler is', async () => {
    const { url, logger, stats } = await startReply();
    const client = await connect(url);
    expect(await client.emitWithAck('ask', 7)).toBe(7);
    expect(await client.emitWithAck('ask', 'ws')).toEqual({ status: 'error', message: 'not now' });
    expect(await client.emitWithAck('ask', 'http')).toMatchObject({ statusCode: 400, message: ['not this'] });
    expect(await client.emitWithAck('ask', 'unknown')).toEqual(UNKNOWN);
    expect(await client.emitWithAck('ask', 8)).toBe(8);
    // the one that was not meant for clients
    expect(logger.errorTexts()).toEqual(['secret']);
    expect(stats('ask')).toMatchObject({ active: 1, failed: 3, admitted: 5 });
  });

  it('answers with an error when the answer cannot be sent', async () => {
    const { url, logger } = await startReply();
    const client = await connect(url);
    const heard = collect(client, 'exception');
    expect(await client.emitWithAck('ask', 'circular')).toEqual(UNKNOWN);
    expect(await client.emitWithAck('ask', 1)).toBe(1);
    expect(logger.errors).toHaveLength(1);
    expect(heard).toEqual([]);
  });

  it('tells by an exception who asked for no answer', async () => {
    const { url } = await startReply();
    const client = await connect(url);
    const exception = next(client, 'exception');
    client.emit('ask', 'ws');
    expect(await exception).toEqual({ status: 'error', message: 'not now' });
  });

  it('tells by an exception who has his answer already', async () => {
    const { url } = await startReply();
    const client = await connect(url);
    const exception = next(client, 'exception');
    expect(await client.emitWithAck('auto', 'ws')).toBeUndefined();
    expect(await exception).toEqual({ status: 'error', message: 'not now' });
  });

  it('tells by an exception what goes wrong after the method has answered itself', async () => {
    const { url } = await startReply();
    const client = await connect(url);
    const exception = next(client, 'exception');
    expect(await client.emitWithAck('ask', 'itself')).toBe('answered');
    expect(await exception).toEqual({ status: 'error', message: 'too late' });
  });

  it('asks the filters of the method', async () => {
    const { url, filtered } = await startReply();
    const client = await connect(url);
    const answered = collect(client, 'answered');
    expect(await client.emitWithAck('filtered', 'http')).toMatchObject({ from: 'the filter' });
    expect(filtered).toEqual([[client.id, 'http', 'filtered']]);
    expect(await client.emitWithAck('filtered', 'fine')).toBe('fine');
    expect(await client.emitWithAck('ask', 1)).toBe(1);
    expect(answered).toEqual(['fine']);
  });

  it('refuses what is too much, and says so to those who wait for an answer', async () => {
    const { url, work, stats, logger } = await startReply();
    const client = await connect(url);
    const heard = collect(client, 'exception');
    const answers = [client.emitWithAck('ask', 'wait'), client.emitWithAck('ask', 'wait')];
    client.emit('ask', 'one too many');
    expect(await client.emitWithAck('ask', 'one too many')).toEqual({
      status: 'error',
      code: 'queue_full',
      message: 'too many messages wait for an answer',
    });
    for (const subject of work.waiting) {
      subject.next('at last');
      subject.complete();
    }
    expect(await Promise.all(answers)).toEqual(['at last', 'at last']);
    expect(heard).toEqual([]);
    expect(stats('ask').overflowed).toBe(2);
    expect(logger.errors).toEqual([]);
  });

  it('answers those who still wait when the stream begins anew', async () => {
    const { url, work, fail, logger } = await startReply();
    const client = await connect(url);
    const answer = client.emitWithAck('ask', 'wait');
    expect(await client.emitWithAck('ask', 1)).toBe(1);
    expect(work.waiting[0]!.observed).toBe(true);
    fail.next('of another part');
    expect(await answer).toEqual({
      status: 'error',
      code: 'stream_ended',
      message: 'ended before there was an answer',
    });
    expect(work.waiting[0]!.observed).toBe(false);
    expect(await client.emitWithAck('ask', 2)).toBe(2);
    expect(logger.errorTexts()).toEqual(['of another part']);
  });
});

describe('operators in a gateway, and clients that go', () => {
  it('perClient and untilDisconnect end with their client, and leave no listener', async () => {
    const log: string[] = [];
    const gone = deferred<void>();
    const clients: Socket[] = [];

    @WebSocketGateway()
    class Gateway {
      handleConnection(client: Socket): void {
        clients.push(client);
        interval(1_000_000)
          .pipe(
            untilDisconnect(client),
            finalize(() => log.push('interval ended')),
          )
          .subscribe();
      }

      @SubscribeStream('vote', { scope: 'gateway' })
      votes(@MessageStream() vote$: Observable<Incoming<string>>): Observable<unknown> {
        return vote$.pipe(
          perClient((mine$, { id }) =>
            mine$.pipe(
              map(({ data }) => data),
              toArray(),
              map((data) => ({ event: 'voted', data, except: id })),
            ),
          ),
        );
      }

      handleDisconnect(): void {
        gone.resolve();
      }
    }
    const { url } = await startApp({ providers: [Gateway] });
    const [leaving, staying] = [await connect(url), await connect(url)];
    const voted = next(staying, 'voted');
    for (const choice of ['a', 'b']) await leaving.emitWithAck('vote', choice);
    await staying.emitWithAck('vote', 'c');
    const before = clients[1]!.listenerCount('disconnect');
    leaving.disconnect();
    expect(await voted).toEqual(['a', 'b']);
    await gone.promise;
    expect(log).toEqual(['interval ended']);
    expect(clients[1]!.listenerCount('disconnect')).toBe(before);
  });
});
