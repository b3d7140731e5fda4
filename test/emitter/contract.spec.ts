/** What holds for every emitter: that of an application with clients, and the fake. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { IncompleteAnswersError } from 'nestwire';
import { EMPTY, firstValueFrom, lastValueFrom, NEVER, of, Subject, take, throwError, toArray } from 'rxjs';
import { cleanUp, deferred } from '../nest/support.js';
import { CLIENTS, fakeWorld, realWorld, type Heard, type World } from './worlds.js';

afterEach(cleanUp);

/** The same for these, nothing for the others. */
const only = (names: string[], ...heard: Heard[]): Record<string, Heard[]> =>
  Object.fromEntries(Object.keys(CLIENTS).map((name) => [name, names.includes(name) ? heard : []] as const));

describe.each([
  ['of an application', realWorld],
  ['FakeEmitter', fakeWorld],
])('an emitter: %s', (_name, make) => {
  let world: World;
  let emitter: World['emitter'];

  beforeEach(async () => {
    world = await make();
    ({ emitter } = world);
  });

  describe('that has started', () => {
    beforeEach(() => world.start());

    it('emits to everybody, with whatever an event carries', async () => {
      emitter.emit('news', 1, 'two', { three: [3] });
      emitter.emit('nothing');
      emitter.emit('ask', 'rhetorical');
      const all: Heard[] = [['news', 1, 'two', { three: [3] }], ['nothing'], ['ask', 'rhetorical']];
      expect(await world.heard()).toEqual(only(['ada', 'bob', 'eve'], ...all));
    });

    it.each<[string, (one: World['emitter']) => World['emitter'], string[]]>([
      ['a room', (one) => one.to('red'), ['ada', 'eve']],
      ['rooms, each client once', (one) => one.to(['red', 'blue']), ['ada', 'bob', 'eve']],
      ['one room and another', (one) => one.to('ada').to('bob'), ['ada', 'bob']],
      ['all but a room', (one) => one.except('red'), ['bob']],
      ['all but one room and another', (one) => one.except('ada').except(['bob']), ['eve']],
      ['a room but not another', (one) => one.to('red').except('blue'), ['ada']],
      ['the same the other way round', (one) => one.except('blue').to('red'), ['ada']],
      ['no rooms, which are nobody', (one) => one.to([]), []],
      ['no rooms and one', (one) => one.to([]).to('blue'), ['bob', 'eve']],
      ['all but no rooms', (one) => one.except([]), ['ada', 'bob', 'eve']],
      ['a room that nobody is in', (one) => one.to('green'), []],
      ['this node', (one) => one.local, ['ada', 'bob', 'eve']],
      ['a room of this node, if they are ready', (one) => one.local.to('blue').volatile, ['bob', 'eve']],
    ])('emits to %s, and stays as it was', async (_what, narrow, names) => {
      const narrowed = narrow(emitter);
      narrowed.emit('news', 1);
      narrowed.emit('news', 2);
      emitter.emit('nothing');
      const heard = await world.heard();
      for (const name of Object.keys(CLIENTS)) expect(heard[name]!.pop()).toEqual(['nothing']);
      expect(heard).toEqual(only(names, ['news', 1], ['news', 2]));
    });

    it('refuses events that socket.io keeps for itself', async () => {
      const any = emitter as World['emitter'] & { emit(event: string): void };
      for (const event of [
        'connect',
        'connect_error',
        'disconnect',
        'disconnecting',
        'newListener',
        'removeListener',
      ] as never[]) {
        const text = `"${String(event)}" is a reserved event name`;
        expect(() => any.emit(event)).toThrow(text);
        expect(() => any.to([]).emit(event)).toThrow(text);
        expect(() => any.request(event, undefined as never)).toThrow(text);
        expect(() => any.pipe(event, EMPTY)).toThrow(text);
      }
      expect(await world.heard()).toEqual(only([]));
    });

    it('refuses a callback, for which there is request()', () => {
      expect(() => emitter.emit('news', 1, () => {})).toThrow(TypeError);
    });

    it('makes clients join and leave, disconnects them, and tells who is there', async () => {
      expect(await world.rooms()).toEqual(CLIENTS);
      emitter.to('red').except('blue').join(['green', 'yellow']);
      emitter.to('eve').leave('red');
      emitter.to([]).disconnect();
      expect(await world.rooms()).toEqual({ ada: ['green', 'red', 'yellow'], bob: ['blue'], eve: ['blue'] });
      emitter.to('green').disconnect();
      expect(await world.rooms()).toEqual({ bob: ['blue'], eve: ['blue'] });
      emitter.local.disconnect({ close: true });
      expect(await emitter.sockets()).toEqual([]);
    });

    describe('request', () => {
      it('emits the answers of all, and completes', async () => {
        world.answer({ ada: 'a', bob: 'b', eve: 'e' });
        const answers = await lastValueFrom(emitter.request('ask', 'who?', { timeout: 5000 }).pipe(toArray()));
        expect(answers.toSorted()).toEqual(['a', 'b', 'e']);
        const others = await lastValueFrom(emitter.volatile.local.request('ping', undefined).pipe(toArray()));
        expect(others.toSorted()).toEqual(['a', 'b', 'e']);
        expect(await world.asked()).toBe(6);
      });

      it('sends each time that it is subscribed to, and not before', async () => {
        world.answer({ ada: 'a', bob: 'b', eve: 'e' });
        const answer$ = emitter.request('ask', 'who?');
        expect(await world.asked()).toBe(0);
        await lastValueFrom(answer$);
        await firstValueFrom(answer$);
        expect(await world.asked()).toBe(6);
      });

      it('completes at once when nobody is asked', async () => {
        world.answer({ ada: 'a', bob: 'b', eve: 'e' });
        expect(await lastValueFrom(emitter.to([]).request('ask', 'who?').pipe(toArray()))).toEqual([]);
        expect(await world.asked()).toBe(0);
      });

      it('says at the time-out how many of how many have answered, after their answers', async () => {
        world.answer({ ada: 'a', bob: undefined, eve: 'e' });
        const answers: string[] = [];
        const error = await new Promise<IncompleteAnswersError>((resolve, reject) =>
          emitter.request('ask', 'who?', { timeout: 100 }).subscribe({
            next: (answer) => answers.push(answer),
            error: resolve,
            complete: () => reject(new Error('complete')),
          }),
        );
        expect(answers.toSorted()).toEqual(['a', 'e']);
        expect(error).toBeInstanceOf(IncompleteAnswersError);
        expect(error).toMatchObject({
          name: 'IncompleteAnswersError',
          message: '2 of 3 clients have answered "ask" within 100 ms',
          event: 'ask',
          answered: 2,
          asked: 3,
          silentNodes: 0,
          reason: 'timeout',
        });
      });

      it('refuses a time-out that is none', () => {
        for (const timeout of [0, -1, NaN, Infinity, 2 ** 31, '5' as never])
          expect(() => emitter.request('ask', 'who?', { timeout })).toThrow(RangeError);
      });

      it('fails when the application is closed meanwhile', async () => {
        world.answer({ ada: 'a', bob: undefined, eve: 'e' });
        const first = deferred<string>();
        const error = new Promise((resolve) =>
          emitter.request('ask', 'who?').subscribe({ next: first.resolve, error: resolve }),
        );
        await first.promise;
        await world.close();
        expect(await error).toMatchObject({ reason: 'closed', asked: 3 });
      });
    });

    describe('pipe', () => {
      it('sends each value, to those it is for, until it is unsubscribed', async () => {
        const value$ = new Subject<unknown>();
        const piped = emitter.to('blue').except('eve').pipe('news', value$);
        value$.next(1);
        value$.next({ two: [2] });
        value$.next(null);
        expect(piped.closed).toBe(false);
        piped.unsubscribe();
        expect(value$.observed).toBe(false);
        value$.next(3);
        expect(await world.heard()).toEqual(only(['bob'], ['news', 1], ['news', { two: [2] }], ['news', null]));
      });

      it('sends an event that carries nothing for each undefined', async () => {
        emitter.to('ada').pipe('nothing', of(undefined, undefined));
        expect(await world.heard()).toEqual(only(['ada'], ['nothing'], ['nothing']));
      });

      it('takes whatever RxJS takes, and is closed when that is complete', async () => {
        expect(emitter.to('ada').pipe('news', [1, 2]).closed).toBe(true);
        const piped = emitter.to('ada').pipe('news', Promise.resolve(3));
        await new Promise<void>((resolve) => piped.add(resolve));
        expect(await world.heard()).toEqual(only(['ada'], ['news', 1], ['news', 2], ['news', 3]));
      });

      it('ends with an error of its source, which is logged', async () => {
        expect(
          emitter.pipe(
            'news',
            throwError(() => new Error('no more')),
          ).closed,
        ).toBe(true);
        expect(world.errors()).toEqual(['no more']);
      });

      it('refuses what is no source, and no budget', () => {
        expect(() => emitter.pipe('news', 7 as never)).toThrow(TypeError);
        for (const slowReaders of [
          { bytes: -1, policy: 'drop' },
          { bytes: '1', policy: 'drop' },
          { bytes: 1, policy: 'wait' },
        ] as never[])
          expect(() => emitter.pipe('news', EMPTY, { slowReaders })).toThrow(TypeError);
      });

      it('ends with the application', async () => {
        const piped = emitter.pipe('news', NEVER);
        await world.close();
        expect(piped.closed).toBe(true);
      });
    });
  });

  describe('before the start', () => {
    it('reaches nobody, keeps nothing, and refuses what it would refuse later', async () => {
      emitter.emit('news', 'early');
      emitter.to('red').join('green');
      emitter.leave('red');
      emitter.disconnect();
      expect(await emitter.sockets()).toEqual([]);
      expect(await lastValueFrom(emitter.request('ask', 'who?').pipe(toArray()))).toEqual([]);
      expect(() => emitter.emit('connect' as never)).toThrow('reserved');
      expect(() => emitter.emit('news', () => {})).toThrow(TypeError);
      await world.start();
      emitter.emit('news', 'late');
      expect(await world.heard()).toEqual(only(['ada', 'bob', 'eve'], ['news', 'late']));
      expect(await world.rooms()).toEqual(CLIENTS);
    });

    it('a pipe waits for it', async () => {
      const value$ = new Subject<unknown>();
      const piped = emitter.to('ada').pipe('news', value$);
      const ended = emitter.pipe('news', value$);
      ended.unsubscribe();
      expect([value$.observed, piped.closed]).toEqual([false, false]);
      await world.start();
      value$.next(1);
      expect(await world.heard()).toEqual(only(['ada'], ['news', 1]));
    });

    it('a pipe that waits in vain ends with the application', async () => {
      const piped = emitter.pipe('news', NEVER);
      await world.close();
      expect(piped.closed).toBe(true);
    });
  });

  it('after the end reaches nobody, in silence', async () => {
    await world.start();
    world.answer({ ada: 'a', bob: 'b', eve: 'e' });
    const red = emitter.to('red');
    red.emit('news', 'first');
    await world.close();
    for (const one of [emitter, red]) {
      one.emit('news', 'late');
      one.join('green');
      one.disconnect();
      // oxlint-disable-next-line no-await-in-loop
      expect(await one.sockets()).toEqual([]);
      // oxlint-disable-next-line no-await-in-loop
      expect(await lastValueFrom(one.request('ask', 'who?').pipe(toArray()))).toEqual([]);
      const piped = one.pipe('news', new Subject<unknown>().pipe(take(1)));
      expect(piped.closed).toBe(true);
    }
    expect(() => emitter.emit('disconnect' as never)).toThrow('reserved');
    expect(world.errors()).toEqual([]);
  });
});
