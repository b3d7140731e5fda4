import { describe, expect, it } from '@jest/globals';
import { toRoom } from 'nestwire';
import { of, toArray, type Observable } from 'rxjs';
import { isOutgoing } from '../../lib/streams/outgoing.js';
import { marbles } from './support.js';

function all<T>(source$: Observable<T>): T[] {
  let values: T[] = [];
  source$.pipe(toArray()).subscribe((taken) => (values = taken));
  return values;
}

describe('toRoom', () => {
  it('makes plain data go to a room, as the event of the stream', () => {
    for (const data of [7, 'text', null, undefined, [1, 2], { x: 1 }, false]) {
      const [value] = all(of(data).pipe(toRoom('red')));
      expect(value).toMatchObject({ data, to: 'red' });
      expect(value!.event).toBeUndefined();
      expect(isOutgoing(value)).toBe(true);
    }
  });

  it('keeps the event, and the rooms to leave out', () => {
    const moved = { event: 'moved', data: { x: 1 }, except: 'a' };
    const [value] = all(of(moved).pipe(toRoom(['red', 'blue'])));
    expect(value).toMatchObject({ event: 'moved', data: { x: 1 }, except: 'a', to: ['red', 'blue'] });
    expect(moved).not.toHaveProperty('to');
  });

  it('takes the place of earlier recipients', () => {
    const values = all(of({ event: 'e', data: 1, to: 'red' }, 2).pipe(toRoom('green'), toRoom('blue')));
    expect(values).toMatchObject([
      { event: 'e', data: 1, to: 'blue' },
      { data: 2, to: 'blue' },
    ]);
    expect(values.map(isOutgoing)).toEqual([true, true]);
  });

  it('asks for the rooms of each value, with its index', () => {
    const values = all(of('x', 'y').pipe(toRoom((value, index) => [`${value}${index}`])));
    expect(values.map(({ to }) => to)).toEqual([['x0'], ['y1']]);
  });

  it.each<[string, string | string[] | undefined]>([
    ['no room', undefined],
    ['an empty list', []],
    ['an empty name', ''],
  ])('drops a value for %s: nobody gets it, least of all everybody', (_what, rooms) => {
    expect(all(of('x').pipe(toRoom(() => rooms)))).toEqual([]);
    expect(all(of('x', 'y').pipe(toRoom((value) => (value === 'x' ? rooms : 'red'))))).toHaveLength(1);
  });

  it('passes on completion, errors, and its own, in their time', () => {
    const ofRed = { '1': expect.objectContaining({ data: '1', to: 'red' }) as never };
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold('-1-1|');
      expectObservable(source$.pipe(toRoom('red'))).toBe('-1-1|', ofRed);
      expectObservable(cold('-1-#').pipe(toRoom('red'))).toBe('-1-#', ofRed);
      expectObservable(source$.pipe(toRoom('red')), '--!').toBe('-1', ofRed);
      expectSubscriptions(source$.subscriptions).toBe(['^---!', '^-!']);
      const broken = toRoom(() => {
        throw 'error';
      });
      expectObservable(cold('-1-1|').pipe(broken)).toBe('-#');
    });
  });
});
