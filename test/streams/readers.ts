import { TestClient } from 'nestwire/testing';
import type { Socket } from 'nestwire';
import type { WebSocket } from 'ws';
import type { Live } from '../client/support.js';
import { StreamClient } from '../support/wire-streams.js';
import type { StreamName } from '../support/wire-parsers.js';

/** A client of a live server that can stop taking bytes off its connection. */
export interface Reader {
  /** The server's side of it. */
  readonly client: Socket;
  /** The first argument of each event that came. */
  readonly received: unknown[];
  stopReading(): void;
  startReading(): void;
  /** Leaves without goodbye. */
  cut(): void;
}

export const READERS = ['websocket', 'eventsource', 'multipart'] as const;

/** Connects a client by a transport, and stays with it. */
export async function connectReader(live: Live, transport: (typeof READERS)[number]): Promise<Reader> {
  const connected = new Promise<Socket>((resolve) => live.io.once('connection', resolve));
  const received: unknown[] = [];
  const connect = transport === 'websocket' ? connectSocketIo : connectStream;
  const connection = await connect(live, received, transport as StreamName);
  return { client: await connected, received, ...connection };
}

type Connection = Omit<Reader, 'client' | 'received'>;

async function connectSocketIo(live: Live, received: unknown[]): Promise<Connection> {
  const { socket } = await TestClient.connect(live.url);
  socket.onAny((_event, value) => received.push(value));
  const { ws } = socket.io.engine.transport as unknown as { ws: WebSocket };
  return {
    stopReading: () => ws.pause(),
    startReading: () => ws.resume(),
    cut: () => ws.terminate(),
  };
}

async function connectStream(live: Live, received: unknown[], transport: StreamName): Promise<Connection> {
  const stream = new StreamClient({
    url: `${live.url}/socket.io/?EIO=4&transport=${transport}`,
    transport,
    resume: true,
  });
  await stream.opened;
  await stream.next();
  // socket.io's CONNECT, and then its events
  await stream.send('40');
  await stream.next();
  const read = async (): Promise<void> => {
    for (;;) {
      const packet = String(await stream.next());
      if (packet === '2') await stream.send('3');
      else if (packet.startsWith('42')) received.push((JSON.parse(packet.slice(2)) as unknown[])[1]);
    }
  };
  void read();
  return {
    stopReading: () => stream.stopReading(),
    startReading: () => stream.startReading(),
    cut: () => stream.cut(),
  };
}

/** One turn of the event loop, in which what was sent is written. */
export const turn = (): Promise<void> => new Promise(setImmediate);
