/** Real clients behind a network that lets no WebSocket through: `blockingProxy` of nestwire/testing. */
import { once } from 'node:events';
import { connect } from 'nestwire/client';
import { blockingProxy } from 'nestwire/testing';
import { io } from 'socket.io-client';
import { TEXT } from './dialects.js';

/** Milliseconds after which a client has failed. */
const PATIENCE = 30_000;

const OPTIONS = { forceNew: true, reconnection: false };

const CLIENTS = {
  stock: (url) => io(url, OPTIONS),
  // the same class that remembers, within this process, what did not get through to this port
  nestwire: (url) => connect(url, OPTIONS),
};

/**
 * `count` clients one after the other. Answers with the milliseconds that each took until its first answer, and the transport
 * it had then.
 *
 * @param answer what the proxy does with upgrades: see `blockingProxy`.
 */
export async function visitThroughProxy({ client, port, answer, count }) {
  const proxy = await blockingProxy({ target: port, answer });
  const visits = [];
  try {
    for (let i = 0; i < count; i++) visits.push(await visit(CLIENTS[client], proxy.url));
  } finally {
    await proxy.close();
  }
  return visits;
}

async function visit(open, url) {
  const start = performance.now();
  const socket = open(url);
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(PATIENCE) });
    const answer = await socket.timeout(PATIENCE).emitWithAck('echo', { id: 1, text: TEXT });
    if (answer?.text !== TEXT) throw new Error(`wrong answer ${JSON.stringify(answer)}`);
    return { ms: performance.now() - start, transport: socket.io.engine.transport.name };
  } finally {
    socket.disconnect();
  }
}
