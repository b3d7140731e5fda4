import type { Socket as ClientSocket } from 'socket.io-client';
import { WebSocketGateway } from '@nestjs/websockets';
import { getEmitterToken, NestwireModule, type Emitter, type Socket } from 'nestwire';
import { fakeEmitter, type FakeEmitter } from 'nestwire/testing';
import { afterCase, client, createApp, urlOf } from '../nest/support.js';

/** What emitters of these specs send. */
export interface Events {
  news(...values: unknown[]): void;
  nothing(): void;
  ask(question: string, answer: (answer: string) => void): void;
  ping(answer: (answer: string) => void): void;
}

/** An event as a client has heard it. */
export type Heard = [event: string, ...args: unknown[]];

/** Who is there, and in which rooms. */
export const CLIENTS: Readonly<Record<string, readonly string[]>> = {
  ada: ['red'],
  bob: ['blue'],
  eve: ['blue', 'red'],
};

/** What a client answers; undefined when he does not. */
export type Answers = Record<string, string | undefined>;

/** An emitter, and those that it reaches: real ones, or those of a fake. */
export interface World {
  readonly emitter: Emitter<Events>;
  /** Who has heard what since the last time. */
  heard(): Promise<Record<string, Heard[]>>;
  /** What clients answer to `ask` and `ping` from now on. */
  answer(answers: Answers): void;
  /** How often somebody was asked. */
  asked(): Promise<number>;
  /** Who is there, by name: as {@link CLIENTS}. */
  rooms(): Promise<Record<string, readonly string[]>>;
  /** The texts of errors in the background. */
  errors(): string[];
  start(): Promise<void>;
  close(): Promise<void>;
}

const named = (list: Iterable<readonly [string, readonly string[]]>): Record<string, readonly string[]> =>
  Object.fromEntries([...list].map(([name, rooms]) => [name, rooms.toSorted()] as const));

/** To be asked for before there is an application. */
const BOARD = getEmitterToken('board');

/** An application and three clients; none of it has started. */
export async function realWorld(): Promise<World> {
  @WebSocketGateway({ namespace: 'board' })
  class Gateway {
    async handleConnection(socket: Socket): Promise<void> {
      const { name } = socket.handshake.auth as { name: string };
      socket.data.name = name;
      await socket.join([name, ...CLIENTS[name]!]);
      socket.emit('joined');
    }
  }
  const { app, logger } = await createApp({ imports: [NestwireModule.forRoot({})], providers: [Gateway] });
  const clients = new Map<string, ClientSocket>();
  const heardBy = new Map<string, Heard[]>();
  let answers: Answers = {};
  let asked = 0;

  async function connect(url: string, name: string): Promise<void> {
    const socket = client(url, { auth: { name } });
    const heard: Heard[] = [];
    heardBy.set(name, heard);
    clients.set(name, socket);
    socket.on('sync', (done: () => void) => done());
    const answer = (done: (answer: string) => void): void => {
      asked++;
      if (answers[name] !== undefined) done(answers[name]);
    };
    socket.on('ask', (question: string, done?: (answer: string) => void) => {
      if (done === undefined) heard.push(['ask', question]);
      else answer(done);
    });
    socket.on('ping', answer);
    socket.onAny((event: string, ...args: unknown[]) => {
      if (event === 'news' || event === 'nothing') heard.push([event, ...args]);
    });
    const joined = new Promise<void>((resolve) => socket.once('joined', resolve));
    socket.connect();
    await joined;
  }

  const emitter = app.get<Emitter<Events>>(BOARD);
  /** What was sent to a client before is with it when it answers. */
  const sync = async (): Promise<void> => {
    for (const socket of await emitter.sockets()) {
      // oxlint-disable-next-line no-await-in-loop
      await (socket as unknown as Socket).timeout(5000).emitWithAck('sync');
    }
  };
  const list = async () => (await emitter.sockets()).map((socket) => [socket.data.name, socket] as const);
  return {
    emitter,
    heard: async () => {
      await sync();
      return Object.fromEntries([...heardBy].map(([name, heard]) => [name, heard.splice(0)]));
    },
    answer: (given) => (answers = given),
    asked: async () => {
      await sync();
      return asked;
    },
    rooms: async () =>
      named((await list()).map(([name, { id, rooms }]) => [name, [...rooms].filter((r) => r !== id && r !== name)])),
    errors: () => logger.errorTexts(),
    start: async () => {
      await app.listen(0, '127.0.0.1');
      const url = `${urlOf(app.getHttpServer())}/board`;
      for (const name of Object.keys(CLIENTS)) {
        // oxlint-disable-next-line no-await-in-loop
        await connect(url, name);
      }
    },
    close: () => app.close(),
  };
}

/** A fake with three clients. */
export async function fakeWorld(): Promise<World> {
  const emitter: FakeEmitter<Events> = fakeEmitter<Events>({
    clients: Object.entries(CLIENTS).map(([id, rooms]) => ({ id, rooms, data: { name: id } })),
    started: false,
  });
  afterCase(() => emitter.close());
  let silent: Answers = {};
  return {
    emitter,
    heard: async () => {
      const heard = Object.entries(CLIENTS).map(([name, rooms]) => {
        const isIn = (room: string): boolean => room === name || rooms.includes(room);
        const events = emitter.emitted
          .filter(({ to, except }) => (to.length === 0 || to.some(isIn)) && !except.some(isIn))
          .map(({ event, args }): Heard => [event, ...args]);
        return [name, events] as const;
      });
      emitter.clear();
      return Object.fromEntries(heard);
    },
    answer: (answers) => {
      silent = answers;
      const given = Object.values(silent).filter((answer): answer is string => answer !== undefined);
      const options = { silent: Object.keys(CLIENTS).length - given.length };
      emitter.answer('ask', given, options).answer('ping', given, options);
    },
    asked: async () => emitter.requested.length * Object.keys(CLIENTS).length,
    rooms: async () =>
      named((await emitter.sockets()).map(({ id, rooms }) => [id, [...rooms].filter((room) => room !== id)])),
    errors: () => emitter.errors.map((error) => (error as Error).message),
    start: async () => emitter.start(),
    close: async () => emitter.close(),
  };
}
