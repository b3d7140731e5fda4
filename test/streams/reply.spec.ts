import { describe, expect, it, jest } from '@jest/globals';
import { perClient, reply, type Incoming } from 'nestwire';
import {
  concat,
  EMPTY,
  filter,
  finalize,
  map,
  NEVER,
  Observable,
  of,
  Subject,
  take,
  throwError,
  timer,
  type OperatorFunction,
} from 'rxjs';
import { FAIL, UnansweredError } from '../../lib/streams/failure.js';
import { FakeClient, marbles, message, type TestMessage } from './support.js';

const UNKNOWN = { status: 'error', message: 'Internal server error' };
const ENDED = { status: 'error', code: 'stream_ended', message: 'ended before there was an answer' };

/** A source, what came of it by an operator, and messages to put in. */
function start<R>(operator: OperatorFunction<Incoming<string>, R>) {
  const client = new FakeClient();
  const source = new Subject<Incoming<string>>();
  const log: R[] = [];
  const ends: unknown[] = [];
  const subscription = source.pipe(operator).subscribe({
    next: (value) => log.push(value),
    error: (error: unknown) => ends.push(error),
    complete: () => ends.push('complete'),
  });
  const put = (data: string): TestMessage<string> => {
    const one = message(client, data);
    source.next(one);
    return one;
  };
  return { client, source, log, ends, subscription, put };
}

/** Until all promises that are settled now have told so. */
const settled = () => new Promise(setImmediate);

describe('reply', () => {
  it('answers with nothing, and passes messages on, without a project', () => {
    const { log, put, source, ends } = start(reply());
    const one = put('x');
    expect(one.answers).toEqual([[]]);
    expect(log).toEqual([{ ...one, answer: undefined }]);
    source.complete();
    expect(ends).toEqual(['complete']);
  });

  it.each<[string, (message: Incoming<string>) => unknown, unknown[]]>([
    ['a value', ({ data }) => `${data}!`, ['x!']],
    ['a list, which is a value', ({ data }) => [data, data], [['x', 'x']]],
    ['null', () => null, [null]],
    ['nothing', () => undefined, []],
    ['a promise', ({ data }) => Promise.resolve(`${data}!`), ['x!']],
    // oxlint-disable-next-line unicorn/no-thenable
    ['another kind of promise', () => ({ then: (done: (value: number) => void) => done(7) }), [7]],
    ['the last value of an Observable', ({ data }) => of(1, 2, data), ['x']],
    ['nothing of an Observable', () => EMPTY, []],
    ['false', () => of(false), [false]],
  ])('answers with %s', async (_what, project, answer) => {
    const { log, put } = start(reply(project));
    const one = put('x');
    await settled();
    expect(one.answers).toEqual([answer]);
    expect(log).toEqual([{ ...one, answer: answer[0] }]);
  });

  it('answers as answers come, and completes with the last of them', () => {
    const client = new FakeClient();
    const [s, q] = [message(client, 'slow'), message(client, 'quick')];
    marbles(({ hot, expectObservable }) => {
      const delays = { slow: 5, quick: 1 };
      const work = reply(({ data }: Incoming<keyof typeof delays>) => timer(delays[data]).pipe(map(() => data)));
      const source$ = hot<Incoming<'slow' | 'quick'>>('-sq|', { s, q } as never);
      expectObservable(
        source$.pipe(
          work,
          map(({ answer }) => answer[0]),
        ),
      ).toBe('---q--(s|)');
    });
    expect([s.answers, q.answers]).toEqual([[['slow']], [['quick']]]);
  });

  it('keeps the order with a concurrency of 1', () => {
    const client = new FakeClient();
    marbles(({ cold, hot, expectObservable, expectSubscriptions }) => {
      const work = { s: cold('-----s|'), q: cold('-q|') };
      const answers = reply(({ data }: Incoming<'s' | 'q'>) => work[data], { concurrency: 1 });
      const source$ = hot('-sq|', { s: message(client, 's' as const), q: message(client, 'q' as const) });
      expectObservable(
        source$.pipe(
          answers,
          map(({ answer }) => answer),
        ),
      ).toBe('-------s-(q|)');
      expectSubscriptions(work.q.subscriptions).toBe('-------^-!');
    });
  });

  it('composes: what passes on is a message still, with its answer', () => {
    const { log, put } = start((source$) =>
      source$.pipe(
        reply(({ data }) => data.length),
        filter(({ answer }) => answer > 1),
        perClient((message$, { id }) => message$.pipe(map(({ data, answer }) => `${id}: ${data} ${answer}`))),
      ),
    );
    for (const data of ['x', 'yy', 'zzz']) put(data);
    expect(log).toEqual(['a: yy 2', 'a: zzz 3']);
  });

  describe('of a failure', () => {
    it.each<[string, () => unknown]>([
      [
        'throws',
        () => {
          throw new Error('SELECT secret');
        },
      ],
      ['rejects', () => Promise.reject(new Error('SELECT secret'))],
      ['emits an error', () => concat(of(1), throwError(() => new Error('SELECT secret')))], // prettier-ignore
    ])('answers with an error that tells nothing when project %s, and goes on', async (_what, project) => {
      const { log, ends, put } = start(reply(({ data }) => (data === 'bad' ? project() : data)));
      const bad = put('bad');
      const good = put('good');
      await settled();
      expect(bad.answers).toEqual([[UNKNOWN]]);
      expect(good.answers).toEqual([['good']]);
      expect(log).toEqual([{ ...good, answer: 'good' }]);
      expect(ends).toEqual([]);
    });

    it('leaves the telling to whoever made the message', () => {
      const { source, put, log, client } = start(
        reply(({ data }) => {
          throw new Error(data);
        }),
      );
      const told: unknown[] = [];
      const ack = Object.assign(jest.fn(), {
        [FAIL]: (failed: Incoming, error: Error) => told.push([failed.data, error.message]),
      });
      const one = { client: client.socket, data: 'x', ack };
      source.next(one);
      // an operator that makes a new object of a message does not lose it
      source.next({ ...one, data: 'y' });
      expect(told).toEqual([
        ['x', 'x'],
        ['y', 'y'],
      ]);
      expect(ack).not.toHaveBeenCalled();
      expect(put('z').answers).toEqual([[UNKNOWN]]);
      expect(log).toEqual([]);
    });

    it('is one when an answer cannot be sent', () => {
      const { source, log, ends, client } = start(reply(({ data }) => data));
      const ack = jest.fn((answer: unknown) => {
        if (answer === 'circular') throw new TypeError('Converting circular structure to JSON');
      });
      source.next({ client: client.socket, data: 'circular', ack });
      source.next({ client: client.socket, data: 'fine', ack });
      expect(ack.mock.calls).toEqual([['circular'], [UNKNOWN], ['fine']]);
      expect(log).toHaveLength(1);
      expect(ends).toEqual([]);
    });

    it('passes an error of the source on', () => {
      const { source, ends } = start(reply());
      const error = new Error('source');
      source.error(error);
      expect(ends).toEqual([error]);
    });
  });

  describe('of too much', () => {
    it('refuses messages beyond the limit, those that wait and those that are worked on counted, and takes more later', () => {
      const work: Record<string, Subject<string>> = { a: new Subject(), b: new Subject(), c: new Subject() };
      const { put, log } = start(reply(({ data }) => work[data]!, { concurrency: 1, limit: 2 }));
      const [a, b, refused] = [put('a'), put('b'), put('c')];
      expect(refused.answers).toEqual([
        [{ status: 'error', code: 'queue_full', message: 'too many messages wait for an answer' }],
      ]);
      expect([a.answers, b.answers]).toEqual([[], []]);
      work['a']!.next('A');
      work['a']!.complete();
      const c = put('c');
      expect(c.answers).toEqual([]);
      for (const name of ['b', 'c']) {
        work[name]!.next(name.toUpperCase());
        work[name]!.complete();
      }
      expect(log.map(({ answer }) => answer)).toEqual(['A', 'B', 'C']);
    });

    it('has room again after failures', () => {
      const { put } = start(
        reply(
          () => {
            throw new Error('x');
          },
          { limit: 1 },
        ),
      );
      for (let i = 0; i < 3; i++) expect(put('x').answers).toEqual([[UNKNOWN]]);
    });

    it('tells what it is by its class', () => {
      const { source, client } = start(reply(() => NEVER, { limit: 1 }));
      const told = jest.fn();
      const ack = Object.assign(() => {}, { [FAIL]: told });
      const second = { client: client.socket, data: '2', ack };
      source.next({ client: client.socket, data: '1', ack });
      source.next(second);
      expect(told.mock.calls).toEqual([[second, expect.any(UnansweredError)]]);
    });

    it.each([{ concurrency: 0 }, { concurrency: NaN }, { limit: 0 }, { limit: -1 }])('does not take %p', (options) => {
      expect(() => reply(() => 1, options)).toThrow(RangeError);
    });
  });

  describe('that ends before answers are there', () => {
    it.each<[string, (started: ReturnType<typeof start>) => void]>([
      ['it is unsubscribed', ({ subscription }) => subscription.unsubscribe()],
      ['the source fails', ({ source }) => source.error(new Error('source'))],
    ])('fails them when %s: those that are worked on, and those that wait', (_what, end) => {
      const ended = jest.fn();
      const started = start(reply(() => NEVER.pipe(finalize(ended)), { concurrency: 1 }));
      const messages = [started.put('1'), started.put('2')];
      end(started as never);
      expect(messages.map(({ answers }) => answers)).toEqual([[[ENDED]], [[ENDED]]]);
      expect(ended).toHaveBeenCalledTimes(1);
      expect(started.source.observed).toBe(false);
    });

    it('fails none of a client that has gone', () => {
      const { client, put, subscription } = start(reply(() => NEVER));
      const one = put('1');
      client.disconnect();
      subscription.unsubscribe();
      expect(one.answers).toEqual([]);
    });

    it('waits for them when the source completes', async () => {
      const { source, ends, put } = start(reply(({ data }) => Promise.resolve(data)));
      const one = put('1');
      source.complete();
      expect(ends).toEqual([]);
      await settled();
      expect(one.answers).toEqual([['1']]);
      expect(ends).toEqual(['complete']);
    });
  });

  describe('re-entered', () => {
    it('by a message while one is answered', () => {
      const client = new FakeClient();
      const source = new Subject<Incoming<string>>();
      const log: string[] = [];
      source.pipe(reply(({ data }) => data)).subscribe(({ data }) => {
        log.push(data);
        if (data === '1') source.next(message(client, '2'));
      });
      source.next(message(client, '1'));
      expect(log).toEqual(['1', '2']);
    });

    it('by an unsubscription while one is answered: it is answered once', () => {
      const { put, log } = start((source$) => source$.pipe(reply(({ data }) => data), take(1))); // prettier-ignore
      const one = put('1');
      expect(one.answers).toEqual([['1']]);
      expect(log).toHaveLength(1);
      expect(put('2').answers).toEqual([]);
    });

    it('by an acknowledgement that ends the stream', () => {
      const { source, subscription, log, client } = start(reply(({ data }) => data));
      source.next({ client: client.socket, data: 'x', ack: () => subscription.unsubscribe() });
      expect(log).toEqual([]);
    });
  });

  it('subscribes anew for each subscriber', () => {
    const client = new FakeClient();
    const one = message(client, 'x');
    const never$ = new Observable<Incoming<string>>((subscriber) => subscriber.next(one));
    const answered$ = never$.pipe(reply(() => NEVER, { limit: 1 }));
    answered$.subscribe();
    answered$.subscribe();
    // the second one has room of its own
    expect(one.answers).toEqual([]);
  });
});
