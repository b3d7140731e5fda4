/** What the operators take, and what they make of it. */
import {
  perClient,
  reply,
  untilDisconnect,
  whenWritable,
  writable$,
  type Answered,
  type Incoming,
  type Socket,
} from 'nestwire';
import { debounceTime, map, type Observable } from 'rxjs';
import { same, some } from './support.js';

interface Vote {
  choice: 'a' | 'b';
}

const vote$ = some<Observable<Incoming<Vote>>>();
const plain$ = some<Observable<Vote>>();
const client = some<Socket>();

// the means of this folder

// @ts-expect-error two types
same<string, number>();
// @ts-expect-error `any` is not everything
same<any, number>();
// @ts-expect-error assignable, but not the same
same<7, number>();

// perClient

const perClient$ = vote$.pipe(
  perClient((message$, socket) => {
    same<typeof message$, Observable<Incoming<Vote>>>();
    same<typeof socket, Socket>();
    return message$.pipe(
      debounceTime(100),
      map(({ data }) => data.choice),
    );
  }),
);
same<typeof perClient$, Observable<'a' | 'b'>>();

const promised$ = vote$.pipe(perClient(async () => 7));
same<typeof promised$, Observable<number>>();

// @ts-expect-error a stream in client scope has one client
plain$.pipe(perClient((message$) => message$));
// @ts-expect-error what comes of a client is an Observable, or what can be made one
vote$.pipe(perClient(() => 7));
// @ts-expect-error messages have no such data
vote$.pipe(perClient((message$) => message$.pipe(map(({ data }) => data.voter))));

// reply

const value$ = vote$.pipe(
  reply((message) => {
    same<typeof message, Incoming<Vote>>();
    return message.data.choice.length;
  }),
);
same<typeof value$, Observable<Answered<Incoming<Vote>, number>>>();

const ofPromise$ = vote$.pipe(
  reply(async ({ data }) => data.choice),
  map(({ answer }) => answer),
);
same<typeof ofPromise$, Observable<'a' | 'b'>>();

const ofObservable$ = vote$.pipe(
  reply(() => some<Observable<Date>>(), { concurrency: 1, limit: 10 }),
  map(({ answer }) => answer),
);
same<typeof ofObservable$, Observable<Date>>();

const ofList$ = vote$.pipe(
  reply(() => [1, 2]),
  map(({ answer }) => answer),
);
same<typeof ofList$, Observable<number[]>>();

const ofNothing$ = vote$.pipe(
  reply(),
  map(({ answer, data }) => [answer, data] as const),
);
same<typeof ofNothing$, Observable<readonly [undefined, Vote]>>();

// what has been answered is a message still
const both$ = vote$.pipe(
  reply(() => 7),
  perClient((message$) => message$.pipe(map(({ answer, data }) => [answer, data.choice] as const))),
);
same<typeof both$, Observable<readonly [number, 'a' | 'b']>>();

// @ts-expect-error data alone has no acknowledgement
plain$.pipe(reply(() => 7));
// @ts-expect-error data alone has no acknowledgement
plain$.pipe(reply());
// @ts-expect-error no such option
vote$.pipe(reply(() => 7, { parallel: 2 }));
// @ts-expect-error a number
vote$.pipe(reply(() => 7, { concurrency: '2' }));
// @ts-expect-error messages have no such data
vote$.pipe(reply(({ data }) => data.voter));

// untilDisconnect, whenWritable, writable$

const until$ = plain$.pipe(untilDisconnect(client));
same<typeof until$, Observable<Vote>>();
const when$ = plain$.pipe(whenWritable(client, { keep: 3, bytes: 1000 }));
same<typeof when$, Observable<Vote>>();
same<ReturnType<typeof writable$>, Observable<boolean>>();

// @ts-expect-error the id is not the client
plain$.pipe(untilDisconnect(client.id));
// @ts-expect-error the id is not the client
plain$.pipe(whenWritable(client.id));
// @ts-expect-error a number
plain$.pipe(whenWritable(client, { keep: 'latest' }));
// @ts-expect-error of writable$, which keeps nothing
writable$(client, { keep: 1 });

// Incoming

export function answer(message: Incoming<Vote>): void {
  message.ack();
  message.ack('thanks', 7);
  // @ts-expect-error a message is what arrived
  message.data = { choice: 'a' };
}
