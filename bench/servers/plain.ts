import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Connection } from 'sockjs';
import { HOST, type News, type Peer } from './peer.js';
import { count, tally, type Notice } from './tally.js';

/*
 * Servers of other libraries and of none: SockJS, and the floors below everything, which write what they are given and
 * know no protocol above it.
 */

/** Sends back the bytes that it gets: what a connection costs in Node before any protocol. */
export async function startNet(): Promise<Peer> {
  const sockets = new Set<Socket>();
  const server = createTcpServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('data', (bytes) => socket.write(bytes));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  });
  return {
    port: await listen(server),
    broadcast: () => undefined,
    clients: () => sockets.size,
    close: () => closeServer(server),
  };
}

/** Writes each message as one server-sent event: what a push costs in Node's `http` and nothing else. */
export async function startSse(): Promise<Peer> {
  const responses = new Set<ServerResponse>();
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    response.write(':\n\n');
    responses.add(response);
    response.on('close', () => responses.delete(response));
  });
  return {
    port: await listen(server),
    broadcast: (payload: News) => {
      const event = `data: ${JSON.stringify({ event: 'news', data: payload })}\n\n`;
      for (const response of responses) response.write(event);
    },
    clients: () => responses.size,
    close: () => closeServer(server),
  };
}

/** SockJS with its JSON as platform-ws has it: `{event, data}`. */
export async function startSockJs(): Promise<Peer> {
  const sockjs = (await import('sockjs')).default;
  const connections = new Set<Connection>();
  const library = sockjs.createServer({ log: () => undefined, disconnect_delay: 500 });
  library.on('connection', (connection) => {
    connections.add(connection);
    connection.on('close', () => connections.delete(connection));
    connection.on('data', (text: string) => {
      const { event, data } = JSON.parse(text) as { event: string; data: Notice };
      if (event === 'notice') count(data);
      else connection.write(text);
    });
  });
  const server = createServer();
  library.installHandlers(server, { prefix: '/sockjs' });
  return {
    port: await listen(server),
    tally,
    broadcast: (payload: News) => {
      const text = JSON.stringify({ event: 'news', data: payload });
      for (const connection of connections) connection.write(text);
    },
    clients: () => connections.size,
    close: () => closeServer(server),
  };
}

/** @returns the port, on 127.0.0.1. */
export async function listen(server: Server): Promise<number> {
  server.listen(0, HOST);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function closeServer(server: Server): Promise<void> {
  await new Promise((resolve) => server.close(resolve));
}
