import { createServer } from 'node:http';
import type { Socket as SocketIoSocket } from 'socket.io';
import { ofSocketIo, ofWs } from './nest.js';
import type { Peer } from './peer.js';
import { listen, startNet, startSockJs, startSse } from './plain.js';

/** Servers without Nest: floors that tell what the library below costs and what Nest adds. */
export const BARE_PEERS: Record<string, () => Promise<Peer>> = {
  net: startNet,
  sse: startSse,
  sockjs: startSockJs,

  ws: async () => {
    const { WebSocketServer } = await import('ws');
    const http = createServer();
    const server = new WebSocketServer({ server: http });
    server.on('connection', (client) => {
      client.on('message', (data, binary) => client.send(data, { binary }));
    });
    return { port: await listen(http), ...ofWs(server), close: () => closeAll(() => server.close(), http) };
  },

  'socket.io': async () => {
    const { Server } = await import('socket.io');
    const http = createServer();
    const server = new Server(http);
    server.on('connection', answerEcho);
    return { port: await listen(http), ...ofSocketIo(server), close: () => server.close() };
  },

  // socket.io's Server on top of our engine, without Nest.
  'nestwire-engine': async () => {
    const [{ Server }, { Engine }] = await Promise.all([import('socket.io'), import('nestwire/engine')]);
    const http = createServer();
    const engine = new Engine({});
    engine.attach(http, { path: '/socket.io' });
    const server = new Server();
    // Typed against engine.io's class; what bind() needs of it is one event and close().
    server.bind(engine as unknown as Parameters<typeof server.bind>[0]);
    server.on('connection', answerEcho);
    return { port: await listen(http), ...ofSocketIo(server), close: () => closeAll(() => server.close(), http) };
  },
};

function answerEcho(socket: SocketIoSocket): void {
  socket.on('echo', (data: unknown, ack: (answer: unknown) => void) => ack(data));
}

async function closeAll(closeServer: () => unknown, http: ReturnType<typeof createServer>): Promise<void> {
  await closeServer();
  if (http.listening) await new Promise((resolve) => http.close(resolve));
}
