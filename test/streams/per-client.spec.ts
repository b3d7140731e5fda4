import { describe, expect, it, jest } from '@jest/globals';
import { perClient, untilDisconnect, type Incoming, type Socket } from 'nestwire';
import {
  catchError,
  concat,
  concatMap,
  delay,
  EMPTY,
  finalize,
  firstValueFrom,
  interval,
  last,
  map,
  NEVER,
  of,
  Subject,
  take,
  toArray,
  type Observable,
} from 'rxjs';
import { FakeClient, marbles, message } from './support.js';

/** Clients `a` and `b`; messages `1`, `2`, `3` of the one and `7`, `8`, `9` of the other. */
function clients() {
  const [a, b] = [new FakeClient('a'), new FakeClient('b')];
  const values = Object.fromEntries('123789'.split('').map((n) => [n, message(n < '5' ? a : b, n)]));
  return { a, b, values };
}

const datum = map(({ data }: Incoming<string>) => data);

/** Everything that comes of a source, as text, and its end. */
function record<T>(source$: Observable<T>) {
  const log: string[] = [];
  const subscription = source$.subscribe({
    next: (value) => log.push(String(value)),
    error: (error: Error) => log.push(`error: ${error.message}`),
    complete: () => log.push('complete'),
  });
  return { log, subscription };
}

describe('perClient', () => {
  it('calls project once a client, and gives it that client’s messages from the first', () => {
    const { a, b, values } = clients();
    const project = jest.fn((message$: Observable<Incoming<string>>, client: Socket) =>
      message$.pipe(map(({ data }, index) => `${client.id}${index}:${data}`)),
    );
    marbles(({ hot, expectObservable }) => {
      expectObservable(hot('-1-7-2-8-3-|', values).pipe(perClient(project))).toBe('-p-q-r-s-t-|', {
        p: 'a0:1',
        q: 'b0:7',
        r: 'a1:2',
        s: 'b1:8',
        t: 'a2:3',
      });
    });
    expect(project.mock.calls.map(([, client]) => client)).toEqual([a, b]);
  });

  it('takes promises, and merges what comes late', () => {
    marbles(({ hot, expectObservable }) => {
      const { values } = clients();
      const late = perClient((message$: Observable<Incoming<string>>) => message$.pipe(datum, delay(3)));
      expectObservable(hot('-1-7-|', values).pipe(late)).toBe('----1-(7|)');
    });
    return expect(
      firstValueFrom(of(clients().values['1']!).pipe(perClient((message$) => firstValueFrom(message$)))),
    ).resolves.toMatchObject({ data: '1' });
  });

  it('completes a client’s stream at its disconnect: what completion emits at once still comes', () => {
    marbles(({ hot, at, expectObservable }) => {
      const { a, values } = clients();
      const lasts = perClient((message$: Observable<Incoming<string>>) => message$.pipe(datum, last()));
      const source$ = hot('-1-7-2-8---|', values);
      at('---------x', () => a.disconnect());
      expectObservable(source$.pipe(lasts)).toBe('---------2-(8|)');
    });
  });

  it('unsubscribes a client’s output then', () => {
    marbles(({ cold, hot, at, expectObservable, expectSubscriptions }) => {
      const { a, values } = clients();
      const work = cold('--w--w');
      const source$ = hot('-1---------|', values);
      at('----x', () => a.disconnect());
      expectObservable(source$.pipe(perClient(() => work))).toBe('---w-------|');
      expectSubscriptions(work.subscriptions).toBe('-^--!');
    });
  });

  it('unsubscribes output that completion has only begun', () => {
    const { a, values } = clients();
    const messages = new Subject<Incoming<string>>();
    const ended = jest.fn();
    const never$ = new Subject<string>();
    const { log } = record(
      messages.pipe(perClient((message$) => concat(message$.pipe(datum), of('bye'), never$.pipe(finalize(ended))))),
    );
    messages.next(values['1']!);
    a.disconnect();
    expect(log).toEqual(['1', 'bye']);
    expect(ended).toHaveBeenCalledTimes(1);
    never$.next('too late');
    expect(log).toEqual(['1', 'bye']);
  });

  it('has a new stream for a client that comes back: it is another client', () => {
    const messages = new Subject<Incoming<string>>();
    const project = jest.fn((message$: Observable<Incoming<string>>) => message$.pipe(datum, toArray()));
    const { log } = record(messages.pipe(perClient(project)));
    for (let visit = 0; visit < 3; visit++) {
      const client = new FakeClient('same');
      messages.next(message(client, 'x'));
      messages.next(message(client, `${visit}`));
      client.disconnect();
    }
    expect(log).toEqual(['x,0', 'x,1', 'x,2']);
    expect(project).toHaveBeenCalledTimes(3);
  });

  it('gives a message that comes after its client has gone a stream to itself', () => {
    const { a } = clients();
    const messages = new Subject<Incoming<string>>();
    const project = jest.fn((message$: Observable<Incoming<string>>) => message$.pipe(datum, toArray()));
    const { log } = record(messages.pipe(perClient(project)));
    messages.next(message(a, '1'));
    a.disconnect();
    messages.next(message(a, '2'));
    messages.next(message(a, '3'));
    expect(log).toEqual(['1', '2', '3']);
    expect(a.listening).toBe(0);
  });

  it('does not begin output again that has completed by itself', () => {
    const { a, b } = clients();
    const messages = new Subject<Incoming<string>>();
    const project = jest.fn((message$: Observable<Incoming<string>>) => message$.pipe(datum, take(1)));
    const { log } = record(messages.pipe(perClient(project)));
    for (const data of ['1', '2', '3']) messages.next(message(a, data));
    messages.next(message(b, '7'));
    expect(log).toEqual(['1', '7']);
    expect(project).toHaveBeenCalledTimes(2);
    messages.complete();
    expect(log).toEqual(['1', '7', 'complete']);
    expect(a.listening + b.listening).toBe(0);
  });

  it('remembers a client whose output has completed only until it goes', () => {
    const { a } = clients();
    const messages = new Subject<Incoming<string>>();
    const { log } = record(messages.pipe(perClient((message$) => message$.pipe(datum, take(1)))));
    messages.next(message(a, '1'));
    expect(a.listening).toBe(1);
    a.disconnect();
    expect(a.listening).toBe(0);
    messages.next(message(a, 'late'));
    expect(log).toEqual(['1', 'late']);
  });

  it.each<[string, (message$: Observable<Incoming<string>>) => Observable<string>]>([
    [
      'project throws',
      () => {
        throw new Error('no');
      },
    ],
    [
      'an operator throws',
      (message$) =>
        message$.pipe(
          map(({ data }): string => {
            if (data === '2') throw new Error('no');
            return data;
          }),
        ),
    ],
  ])('ends with an error when %s, and leaves no listener', (_what, project) => {
    const { a, b, values } = clients();
    const messages = new Subject<Incoming<string>>();
    const { log } = record(messages.pipe(perClient(project)));
    for (const name of ['7', '1', '2', '8']) messages.next(values[name]!);
    expect(log.at(-1)).toBe('error: no');
    expect(messages.observed).toBe(false);
    expect(a.listening + b.listening).toBe(0);
  });

  it('goes on for the others when an error is caught in a client’s output', () => {
    const { values } = clients();
    const messages = new Subject<Incoming<string>>();
    const { log } = record(
      messages.pipe(
        perClient((message$) =>
          message$.pipe(
            map(({ data }) => {
              if (data === '2') throw new Error('no');
              return data;
            }),
            catchError(() => of('caught')),
          ),
        ),
      ),
    );
    for (const name of ['1', '7', '2', '3', '8']) messages.next(values[name]!);
    expect(log).toEqual(['1', '7', 'caught', '8']);
  });

  it('passes the completion of the source on, and an error', () => {
    marbles(({ hot, expectObservable }) => {
      const { values } = clients();
      const collect = perClient((message$: Observable<Incoming<string>>) => message$.pipe(datum, toArray()));
      expectObservable(hot('-1-7-2-|', values).pipe(collect)).toBe('-------(ab|)', { a: ['1', '2'], b: ['7'] });
      expectObservable(hot('-1-7-2-#', values).pipe(collect)).toBe('-------#');
    });
  });

  it('lets clients’ streams see the error of the source before it is the error of the whole', () => {
    const { values } = clients();
    const messages = new Subject<Incoming<string>>();
    const { log } = record(
      messages.pipe(
        perClient((message$, { id }) =>
          message$.pipe(
            datum,
            catchError(() => of(`last words of ${id}`)),
          ),
        ),
      ),
    );
    messages.next(values['1']!);
    messages.error(new Error('source'));
    expect(log).toEqual(['1', 'last words of a', 'error: source']);
  });

  it('lets output outlive the source, until the disconnect', () => {
    marbles(({ cold, hot, at, expectObservable }) => {
      const { a, b, values } = clients();
      const work = () => cold('--w--w--w');
      at('----------x', () => a.disconnect());
      at('------------x', () => b.disconnect());
      expectObservable(hot('-1-7|', values).pipe(perClient(work))).toBe('---w-ww-ww-w|');
    });
  });

  it('unsubscribes everything when it is unsubscribed', () => {
    const { a, b, values } = clients();
    const messages = new Subject<Incoming<string>>();
    const ended = jest.fn();
    const { subscription } = record(messages.pipe(perClient(() => NEVER.pipe(finalize(ended)))));
    messages.next(values['1']!);
    messages.next(values['7']!);
    expect([a.listening, b.listening]).toEqual([1, 1]);
    subscription.unsubscribe();
    expect(ended).toHaveBeenCalledTimes(2);
    expect(messages.observed).toBe(false);
    expect([a.listening, b.listening]).toEqual([0, 0]);
  });

  it('keeps nothing of clients that have gone', () => {
    const messages = new Subject<Incoming<string>>();
    record(messages.pipe(perClient((message$) => message$.pipe(datum))));
    for (let i = 0; i < 100; i++) {
      const client = new FakeClient();
      messages.next(message(client, 'x'));
      expect(client.listening).toBe(1);
      client.disconnect();
      expect(client.listening).toBe(0);
    }
  });

  it('puts one listener on a client, however many streams it is in', () => {
    const { a, values } = clients();
    const warning = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const messages = new Subject<Incoming<string>>();
    for (let i = 0; i < 20; i++) {
      record(messages.pipe(perClient((_, client) => interval(1e6).pipe(untilDisconnect(client)))));
    }
    messages.next(values['1']!);
    expect(a.listenerCount('disconnect')).toBe(1);
    a.disconnect();
    expect(a.listening).toBe(0);
    expect(warning).not.toHaveBeenCalled();
    warning.mockRestore();
  });

  describe('re-entered', () => {
    it('by a message of the same client while it makes that client’s stream', () => {
      const { a } = clients();
      const messages = new Subject<Incoming<string>>();
      const project = jest.fn((message$: Observable<Incoming<string>>) => {
        if (project.mock.calls.length === 1) messages.next(message(a, 'again'));
        return message$.pipe(datum);
      });
      const { log } = record(messages.pipe(perClient(project)));
      messages.next(message(a, 'first'));
      messages.next(message(a, 'next'));
      expect(project).toHaveBeenCalledTimes(1);
      // nobody had subscribed yet
      expect(log).toEqual(['first', 'next']);
    });

    it('by a message while one is handled', () => {
      const { a, b } = clients();
      const messages = new Subject<Incoming<string>>();
      const log: string[] = [];
      messages.pipe(perClient((message$) => message$.pipe(datum))).subscribe((data) => {
        log.push(data);
        if (data === '1') messages.next(message(b, '7'));
        if (data === '7') messages.next(message(a, '2'));
      });
      messages.next(message(a, '1'));
      expect(log).toEqual(['1', '7', '2']);
    });

    it('by a disconnect: in project, and by what its output emits', () => {
      const { a, b } = clients();
      const messages = new Subject<Incoming<string>>();
      const log: string[] = [];
      const output$ = messages.pipe(
        perClient((message$, client) => {
          if (client.id === 'a') client.disconnect();
          return concat(message$.pipe(datum), of(`end of ${client.id}`));
        }),
      );
      output$.subscribe((data) => {
        log.push(data);
        if (data === '8') b.disconnect();
      });
      for (const [client, data] of [[a, '1'], [b, '7'], [b, '8']] as const) messages.next(message(client, data)); // prettier-ignore
      expect(log).toEqual(['1', 'end of a', '7', '8', 'end of b']);
      expect(a.listening + b.listening).toBe(0);
    });

    it('by an unsubscription while it makes a stream', () => {
      const { a } = clients();
      const messages = new Subject<Incoming<string>>();
      const log: string[] = [];
      messages
        .pipe(
          perClient((message$) => message$.pipe(concatMap(({ data }) => [data, `${data}+`]))),
          take(1),
        )
        .subscribe((data) => log.push(data));
      messages.next(message(a, '1'));
      expect(log).toEqual(['1']);
      expect(a.listening).toBe(0);
      expect(messages.observed).toBe(false);
    });

    it('by a message of a client that is just going: it is one that came late', () => {
      const { a } = clients();
      const messages = new Subject<Incoming<string>>();
      const log: string[] = [];
      messages.pipe(perClient((message$) => message$.pipe(datum, toArray()))).subscribe((data) => {
        log.push(data.join());
        if (data[0] === '1') messages.next(message(a, 'late'));
      });
      messages.next(message(a, '1'));
      messages.next(message(a, '2'));
      a.disconnect();
      expect(log).toEqual(['1,2', 'late']);
      expect(a.listening).toBe(0);
    });
  });

  it('of nothing is nothing', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold<Incoming<string>>('---|');
      expectObservable(source$.pipe(perClient(() => EMPTY))).toBe('---|');
      expectSubscriptions(source$.subscriptions).toBe('^--!');
    });
  });
});
