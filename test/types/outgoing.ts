/** What the type of a method's output lets through. */
import type { Addressed, Incoming, Outgoing, WithRecipients } from 'nestwire';
import { toRoom } from 'nestwire';
import { map, of, type Observable } from 'rxjs';
import { same, some } from './support.js';

interface Stroke {
  x: number;
  y: number;
}

// an interface, as users write it: it has no index signature
interface BoardEvents {
  strokes(strokes: Stroke[]): void;
  title(title: string): void;
}

type Out = Outgoing<BoardEvents>;

export const right: Out[] = [
  { event: 'strokes', data: [{ x: 1, y: 2 }] },
  { event: 'title', data: 'a board', to: 'room' },
  { event: 'title', data: 'a board', to: ['room', 'other'], except: 'id' },
];

export const wrong: Out[] = [
  // @ts-expect-error an event that is not in the map
  { event: 'stroke', data: [{ x: 1, y: 2 }] },
  // @ts-expect-error data of another event
  { event: 'strokes', data: 'a board' },
  // @ts-expect-error data that is wrong within
  { event: 'strokes', data: [{ x: 1, y: 'two' }] },
  // @ts-expect-error no data
  { event: 'title' },
  // @ts-expect-error no event
  { data: 'a board' },
  // @ts-expect-error a room is a string
  { event: 'title', data: 'a board', to: 7 },
  // @ts-expect-error a misspelt recipient
  { event: 'title', data: 'a board', too: 'room' },
];

// without a map, any event with any data, but an event
export const any: Outgoing[] = [
  { event: 'whatever', data: 1 },
  { event: 'whatever', data: { x: 1 }, to: 'room' },
  // @ts-expect-error an event is a string
  { event: 7, data: 1 },
];

const stroke$ = some<Observable<Stroke>>();

// what a method returns is checked through the pipe
export const returned: Observable<Out> = stroke$.pipe(map((stroke) => ({ event: 'strokes', data: [stroke] })));
// @ts-expect-error data that the event does not have
export const badData: Observable<Out> = stroke$.pipe(map((stroke) => ({ event: 'strokes', data: stroke })));
// @ts-expect-error an event that is not in the map
export const badEvent: Observable<Out> = stroke$.pipe(map((stroke) => ({ event: 'stroke', data: [stroke] })));

// toRoom: an Outgoing stays one
export const outgoing: Observable<Out> = some<Observable<Out>>().pipe(toRoom('red'));
export const literal: Observable<Out> = of({ event: 'title', data: 'x' } as const).pipe(toRoom('red'));
// @ts-expect-error and a wrong one stays wrong
export const badOutgoing: Observable<Out> = of({ event: 'title', data: 7 } as const).pipe(toRoom('red'));

// anything else is data of the stream's own event
const ofStroke$ = stroke$.pipe(toRoom('red'));
same<typeof ofStroke$, Observable<Addressed<Stroke>>>();
same<WithRecipients<Addressed<string>>, Addressed<string>>();
// @ts-expect-error which no map of events can check
export const notOutgoing: Observable<Out> = ofStroke$;

// rooms may depend on the value
stroke$.pipe(toRoom(({ x }) => (x > 0 ? 'right' : ['left', 'middle'])));
stroke$.pipe(toRoom(({ x }) => (x > 0 ? 'right' : undefined)));
stroke$.pipe(toRoom((_stroke, index) => `room ${index.toFixed()}`));
some<Observable<Incoming<Stroke>>>().pipe(toRoom(({ client }) => client.id));
// @ts-expect-error a room is a string
stroke$.pipe(toRoom(({ x }) => x));
// @ts-expect-error so it is for all
stroke$.pipe(toRoom(7));
// @ts-expect-error the value has no such property
stroke$.pipe(toRoom(({ z }) => `room ${z}`));
