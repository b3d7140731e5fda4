/** What an emitter lets through. */
import { Inject } from '@nestjs/common';
import { Emitter, getEmitterToken, InjectEmitter, type Socket } from 'nestwire';
import { fakeEmitter, type FakeEmitter } from 'nestwire/testing';
import type { Observable, Subscription } from 'rxjs';
import type { RemoteSocket, Server } from 'socket.io';
import { same, some } from './support.js';

interface Stroke {
  x: number;
  y: number;
}

// an interface, as users write it and as socket.io takes it
interface BoardEvents {
  strokes(strokes: Stroke[]): void;
  moved(id: string, x: number, y: number): void;
  cleared(): void;
  ready(question: string, answer: (isReady: boolean) => void): void;
  alive(answer: (at: Date) => void): void;
  saved(name: string, answer: (error: Error, size: number) => void): void;
  placed(x: number, y: number, answer: (ok: boolean) => void): void;
}

export const server = some<Server<BoardEvents, BoardEvents>>();
const board = some<Emitter<BoardEvents>>();

// emit

board.emit('strokes', [{ x: 1, y: 2 }]);
board.emit('moved', 'id', 1, 2);
board.emit('cleared');
board.emit('ready', 'whoever wants to');
// @ts-expect-error an event that is not in the map
board.emit('stroke', [{ x: 1, y: 2 }]);
// @ts-expect-error data of another event
board.emit('strokes', 'a board');
// @ts-expect-error data that is wrong within
board.emit('strokes', [{ x: 1, y: 'two' }]);
// @ts-expect-error too little
board.emit('moved', 'id', 1);
// @ts-expect-error too much
board.emit('cleared', 1);
// @ts-expect-error answers come of request()
board.emit('ready', 'or not', () => {});

// narrowing

same<typeof board.volatile, Emitter<BoardEvents>>();
board.to('red').to(['blue', 'green']).except('id').local.volatile.emit('cleared');
// @ts-expect-error a room is a string
board.to(7);
// @ts-expect-error narrowed, but of the same events
board.to('red').emit('stroke');

// request

const ready$ = board.request('ready', 'or not', { timeout: 100 });
same<typeof ready$, Observable<boolean>>();
const alive$ = board.request('alive', undefined);
same<typeof alive$, Observable<Date>>();
const saved$ = board.request('saved', 'name');
same<typeof saved$, Observable<number>>();
// @ts-expect-error nobody answers to this
board.request('strokes', []);
// @ts-expect-error wrong data
board.request('ready', 7);
// @ts-expect-error no data, but something
board.request('alive', 'well');
// @ts-expect-error several things do not fit into one
board.request('placed', 1);
// @ts-expect-error a number
board.request('ready', 'or not', { timeout: '100' });
// @ts-expect-error the answer is another one
export const wrongAnswer: Observable<string> = board.request('ready', 'or not');

// pipe

const piped = board.pipe('strokes', some<Observable<Stroke[]>>(), { slowReaders: { bytes: 1000, policy: 'latest' } });
same<typeof piped, Subscription>();
board.pipe('cleared', some<Observable<undefined>>());
board.pipe('ready', some<Promise<string>>());
// @ts-expect-error an Observable of something else
board.pipe('strokes', some<Observable<Stroke>>());
// @ts-expect-error an event that is not in the map
board.pipe('stroke', some<Observable<Stroke>>());
// @ts-expect-error one value has no room for all that it carries
board.pipe('moved', some<Observable<string>>());
// @ts-expect-error no such policy
board.pipe('strokes', some<Observable<Stroke[]>>(), { slowReaders: { bytes: 1, policy: 'wait' } });

// clients

board.join('red');
board.leave(['red', 'blue']);
board.disconnect({ close: true });
// @ts-expect-error named, since nobody knows what `true` means
board.disconnect(true);
same<ReturnType<typeof board.sockets>, Promise<RemoteSocket<BoardEvents, any>[]>>();

// without a map: everything

const any = some<Emitter>();
any.emit('whatever', 1, 'two', { three: 3 });
any.pipe('whatever', some<Observable<number>>());
const anyAnswer$ = any.request('whatever', { a: 1 });
same<typeof anyAnswer$, Observable<any>>();
// @ts-expect-error an event is text
any.emit(7);

// injection

export class Announcer {
  @InjectEmitter() main!: Emitter;

  constructor(
    @InjectEmitter('board') readonly one: Emitter<BoardEvents>,
    @InjectEmitter({ namespace: 'board', port: 81, path: '/live' }) readonly other: Emitter<BoardEvents>,
    @Inject(getEmitterToken('board')) readonly same: Emitter<BoardEvents>,
  ) {}
}
// @ts-expect-error a pattern is many namespaces
InjectEmitter(/room-\d+/);
// @ts-expect-error no such part of an address
getEmitterToken({ host: 'localhost' });

// the fake

const fake = fakeEmitter<BoardEvents>({ clients: [{ id: 'ada', rooms: ['red'] }] });
same<typeof fake, FakeEmitter<BoardEvents>>();
export const announcer = new Announcer(fake, fake, fake.to('red'));
fake.answer('ready', [true, false]).answer('saved', [7], { silent: 1 });
fake.answer('ready', (question) => [question.length > 0, Promise.resolve(true)]);
// @ts-expect-error the answer is another one
fake.answer('ready', ['yes']);
// @ts-expect-error nobody answers to this
fake.answer('strokes', [1]);
for (const sent of fake.emitted) {
  same<typeof sent.to, readonly string[]>();
  if (sent.event === 'moved') same<typeof sent.args, [id: string, x: number, y: number]>();
}
// @ts-expect-error a client is no emitter
fakeEmitter<BoardEvents>().to(some<Socket>());
