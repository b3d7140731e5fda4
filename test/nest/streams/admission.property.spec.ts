/** Whatever clients send, and whatever guards, interceptors and pipes make of it: each stream has what was let in, in order. */
import { afterEach, expect, it } from '@jest/globals';
import {
  UseGuards,
  UseInterceptors,
  type CallHandler,
  type ExecutionContext,
  type PipeTransform,
} from '@nestjs/common';
import { ConnectedSocket, MessageBody, SubscribeMessage, WebSocketGateway, WsException } from '@nestjs/websockets';
import * as fc from 'fast-check';
import { MessageStream, SubscribeStream, type Incoming, type Socket } from 'nestwire';
import { defer, switchMap, type Observable } from 'rxjs';
import { until } from '../../client/support.js';
import { cleanUp, collect, connect, nestwire, startApp } from '../support.js';

afterEach(cleanUp);

/** Who decides on a message, how long it takes, and what it says. */
interface Message {
  readonly event: 'mine' | 'all' | 'handled';
  readonly guard: number;
  readonly interceptor: number;
  readonly pipe: number;
  readonly refusedBy: 'guard' | 'interceptor' | 'pipe' | null;
  readonly asks: boolean;
}

type Action = { readonly who: number } & ({ readonly send: Message } | { readonly leave: true });

/** As it travels. */
interface Sent extends Message {
  readonly number: number;
}

const CLIENTS = 3;

const milliseconds = fc.integer({ min: 0, max: 3 });
const message: fc.Arbitrary<Message> = fc.record({
  event: fc.constantFrom('mine', 'all', 'handled'),
  guard: milliseconds,
  interceptor: milliseconds,
  pipe: milliseconds,
  refusedBy: fc.oneof(
    { weight: 2, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.constantFrom('guard', 'interceptor', 'pipe') },
  ),
  asks: fc.boolean(),
});
const who = fc.nat(CLIENTS - 1);
const actions: fc.Arbitrary<Action[]> = fc.array(
  fc.oneof(
    { weight: 9, arbitrary: fc.record({ who, send: message }) },
    { weight: 1, arbitrary: fc.record({ who, leave: fc.constant(true as const) }) },
  ),
  { minLength: 1, maxLength: 30 },
);

/** 0 is at once, without a promise. */
const after = <T>(delay: number, value: () => T): T | Promise<T> =>
  delay === 0 ? value() : new Promise<void>((resolve) => setTimeout(resolve, delay)).then(value);

const refused = (by: string): never => {
  throw new WsException(by);
};

/** What came in of each connection, by its name: into its own stream, into that of all, and to the handler. */
type Records = Map<string, { arrived: number; mine: number[]; all: number[]; handled: number[]; isCompleted: boolean }>;

function makeGateway(records: Records) {
  const nameOf = (client: Socket): string => client.handshake.auth['name'] as string;
  const of = (client: Socket) => records.get(nameOf(client))!;
  const dataOf = (context: ExecutionContext): Sent => context.switchToWs().getData();
  const guard = UseGuards({
    canActivate: (context: ExecutionContext) => {
      const { guard, refusedBy } = dataOf(context);
      return after(guard, () => (refusedBy === 'guard' ? refused('guard') : true));
    },
  });
  const interceptor = UseInterceptors({
    intercept: (context: ExecutionContext, next: CallHandler) => {
      const { interceptor, refusedBy } = dataOf(context);
      if (refusedBy === 'interceptor') return defer(async () => after(interceptor, () => refused('interceptor')));
      return interceptor === 0
        ? next.handle()
        : defer(async () => after(interceptor, () => 0)).pipe(switchMap(() => next.handle()));
    },
  });
  const pipe: PipeTransform = {
    transform: (value: Sent) => after(value.pipe, () => (value.refusedBy === 'pipe' ? refused('pipe') : value)),
  };
  @WebSocketGateway()
  class Gateway {
    handleConnection(client: Socket): void {
      const record = { arrived: 0, mine: [], all: [], handled: [], isCompleted: false };
      records.set(nameOf(client), record);
      for (const event of ['mine', 'all', 'handled']) client.on(event, () => record.arrived++);
    }

    @guard
    @interceptor
    @SubscribeStream('mine')
    mine(@MessageStream(pipe) mine$: Observable<Sent>, @ConnectedSocket() client: Socket): void {
      const record = of(client);
      mine$.subscribe({ next: ({ number }) => record.mine.push(number), complete: () => (record.isCompleted = true) });
    }

    @guard
    @SubscribeStream('all', { scope: 'gateway' })
    @interceptor
    all(@MessageStream(pipe) all$: Observable<Incoming<Sent>>): void {
      all$.subscribe(({ client, data }) => of(client).all.push(data.number));
    }

    // not behind an interceptor, whose result Nest does not begin for a client that has gone
    @guard
    @SubscribeMessage('handled')
    handled(@MessageBody(pipe) { number }: Sent, @ConnectedSocket() client: Socket): number {
      of(client).handled.push(number);
      return number;
    }
  }
  return Gateway;
}

interface Connection {
  readonly name: string;
  readonly client: Awaited<ReturnType<typeof connect>>;
  readonly sent: Sent[];
  readonly answers: Map<number, unknown>;
  readonly exceptions: unknown[];
}

it.each([
  ['none', ['mine', 'all']],
  ['client', ['mine', 'all', 'handled']],
] as const)('with handlers in order of: %s', async (ordering, ordered) => {
  const records: Records = new Map();
  const { url } = await startApp({ providers: [makeGateway(records)], adapter: nestwire({ ordering }) });
  let connections = 0;
  const open = async (): Promise<Connection> => {
    const name = `client ${connections++}`;
    const client = await connect(url, { auth: { name } });
    return { name, client, sent: [], answers: new Map(), exceptions: collect(client, 'exception') };
  };
  const send = ({ client, sent, answers }: Connection, message: Message): void => {
    const isIntercepted = message.event !== 'handled';
    const refusedBy = message.refusedBy === 'interceptor' && !isIntercepted ? null : message.refusedBy;
    const data = { ...message, refusedBy, number: sent.length };
    sent.push(data);
    if (!data.asks) client.emit(data.event, data);
    else client.emit(data.event, data, (answer: unknown) => answers.set(data.number, answer));
  };
  const leave = async ({ client, name, sent }: Connection): Promise<void> => {
    const record = records.get(name)!;
    // what is on its way when a client disconnects is lost, as ever with Socket.IO
    await until(() => record.arrived === sent.length, `what ${name} has sent is there`);
    client.disconnect();
    const handled = sent.filter(({ event, refusedBy }) => event === 'handled' && refusedBy === null);
    await until(
      () => record.isCompleted && record.handled.length === handled.length,
      `the stream of ${name} completes, and its handlers have begun`,
    );
  };

  const run = async (sequence: readonly Action[]): Promise<void> => {
    const present = await Promise.all(Array.from({ length: CLIENTS }, open));
    const gone: Connection[] = [];
    const leaving: Promise<void>[] = [];
    for (const action of sequence) {
      const connection = present[action.who]!;
      if ('send' in action) {
        send(connection, action.send);
        continue;
      }
      gone.push(connection);
      leaving.push(leave(connection));
      // oxlint-disable-next-line no-await-in-loop
      present[action.who] = await open();
    }
    // those that stay hear what became of each message
    const isTold = ({ sent, answers, exceptions }: Connection): boolean => {
      const refusals = sent.filter(({ asks, refusedBy }) => !asks && refusedBy !== null).length;
      return answers.size === sent.filter(({ asks }) => asks).length && exceptions.length === refusals;
    };
    await until(() => present.every(isTold), 'every sender was told');
    for (const { sent, answers, exceptions } of present) {
      for (const { number, event, asks, refusedBy } of sent) {
        if (!asks) continue;
        const answer = event === 'handled' ? number : undefined;
        expect(answers.get(number)).toEqual(refusedBy === null ? answer : { status: 'error', message: refusedBy });
      }
      const silent = sent.filter(({ asks, refusedBy }) => !asks && refusedBy !== null);
      expect(exceptions.length).toBe(silent.length);
    }
    await Promise.all([...leaving, ...present.map(leave)]);
    for (const { name, sent } of [...present, ...gone]) {
      const record = records.get(name)!;
      for (const event of ['mine', 'all', 'handled'] as const) {
        const numbers = sent.filter((one) => one.event === event && one.refusedBy === null).map(({ number }) => number);
        if ((ordered as readonly string[]).includes(event)) expect(record[event]).toEqual(numbers);
        else expect(record[event].toSorted((a, b) => a - b)).toEqual(numbers);
      }
      records.delete(name);
    }
  };

  await fc.assert(fc.asyncProperty(actions, run), { numRuns: 40, endOnFailure: true });
});
