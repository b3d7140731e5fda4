import { describe, expect, it, jest } from '@jest/globals';
import { untilDisconnect } from 'nestwire';
import { finalize, NEVER, of, Subject, type Subscription } from 'rxjs';
import { FakeClient, marbles } from './support.js';

describe('untilDisconnect', () => {
  it('completes with the disconnect of the client, and unsubscribes', () => {
    const client = new FakeClient();
    marbles(({ cold, at, expectObservable, expectSubscriptions }) => {
      const source$ = cold('a--b--c--d');
      at('-------x', () => client.disconnect());
      expectObservable(source$.pipe(untilDisconnect(client.socket))).toBe('a--b--c|');
      expectSubscriptions(source$.subscriptions).toBe('^------!');
    });
    expect(client.listening).toBe(0);
  });

  it.each([
    ['completes', 'a-|', '^-!'],
    ['fails', 'a-#', '^-!'],
  ])('leaves nothing behind when the source %s', (_what, marble, subscription) => {
    const client = new FakeClient();
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold(marble);
      expectObservable(source$.pipe(untilDisconnect(client.socket))).toBe(marble);
      expectSubscriptions(source$.subscriptions).toBe(subscription);
    });
    expect(client.listening).toBe(0);
  });

  it('completes at once for a client that is not connected, and subscribes to nothing', () => {
    const client = new FakeClient();
    client.disconnect();
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold('a--b');
      expectObservable(source$.pipe(untilDisconnect(client.socket))).toBe('|');
      expectSubscriptions(source$.subscriptions).toBe([]);
    });
    const next = jest.fn();
    of(1).pipe(untilDisconnect(client.socket)).subscribe(next);
    expect(next).not.toHaveBeenCalled();
  });

  it('puts one listener on the client, and takes it away with the last subscriber', () => {
    const client = new FakeClient();
    const warning = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const subscriptions: Subscription[] = [];
    for (let i = 0; i < 30; i++) subscriptions.push(NEVER.pipe(untilDisconnect(client.socket)).subscribe());
    expect(client.listening).toBe(1);
    for (const subscription of subscriptions.slice(1)) subscription.unsubscribe();
    expect(client.listening).toBe(1);
    subscriptions[0]!.unsubscribe();
    expect(client.listening).toBe(0);
    // and one again for those who come later
    const done = jest.fn();
    NEVER.pipe(untilDisconnect(client.socket), finalize(done)).subscribe();
    expect(client.listening).toBe(1);
    client.disconnect();
    expect(done).toHaveBeenCalledTimes(1);
    expect(client.listening).toBe(0);
    expect(warning).not.toHaveBeenCalled();
    warning.mockRestore();
  });

  it('by a value that disconnects the client', () => {
    const client = new FakeClient();
    const source = new Subject<number>();
    const log: unknown[] = [];
    source.pipe(untilDisconnect(client.socket)).subscribe({
      next: (value) => {
        log.push(value);
        if (value === 2) client.disconnect();
      },
      complete: () => log.push('complete'),
    });
    for (const value of [1, 2, 3]) source.next(value);
    expect(log).toEqual([1, 2, 'complete']);
    expect(source.observed).toBe(false);
  });

  it('has every subscriber hear of it, also when one of them throws or subscribes again', () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'] });
    const client = new FakeClient();
    const ended = jest.fn();
    NEVER.pipe(untilDisconnect(client.socket)).subscribe({
      complete: () => {
        throw new Error('of a listener');
      },
    });
    NEVER.pipe(untilDisconnect(client.socket)).subscribe({
      complete: () => NEVER.pipe(untilDisconnect(client.socket)).subscribe({ complete: ended }),
    });
    NEVER.pipe(untilDisconnect(client.socket)).subscribe({ complete: ended });
    client.disconnect();
    expect(ended).toHaveBeenCalledTimes(2);
    expect(client.listening).toBe(0);
    // rxjs lets the process see what a consumer throws
    expect(() => jest.runAllTimers()).toThrow('of a listener');
    jest.useRealTimers();
  });
});
