/** Real clients behind a network that lets no WebSocket through: `blockingProxy` of nestwire/testing. */
import { once } from 'node:events';
import { transports } from 'nestwire/client';
import { blockingProxy } from 'nestwire/testing';
import { io } from 'socket.io-client';
import { TEXT } from './dialects.js';

/** Milliseconds after which a client has failed. */
const PATIENCE = 30_000;

const OPTIONS = { forceNew: true, reconnection: false };

/** What the clients of one browser have in common. Ours remember what did not get through. */
const BROWSERS = {
  stock: () => OPTIONS,
  nestwire: (url) => ({ ...OPTIONS, transports: transports({ url }) }),
};

/**
 * `count` clients one after the other. Answers with the milliseconds that each took until its first answer, and the transport
 * it had then.
 *
 * @param answer what the proxy does with upgrades: see `blockingProxy`.
 */
export async function visitThroughProxy({ client, port, answer, count }) {
  const proxy = await blockingProxy({ target: port, answer });
  const options = BROWSERS[client](proxy.url);
  const visits = [];
  try {
    for (let i = 0; i < count; i++) visits.push(await visit(proxy.url, options));
  } finally {
    await proxy.close();
  }
  return visits;
}

async function visit(url, options) {
  const start = performance.now();
  const socket = io(url, options);
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(PATIENCE) });
    const answer = await socket.timeout(PATIENCE).emitWithAck('echo', { id: 1, text: TEXT });
    if (answer?.text !== TEXT) throw new Error(`wrong answer ${JSON.stringify(answer)}`);
    return { ms: performance.now() - start, transport: socket.io.engine.transport.name };
  } finally {
    socket.disconnect();
  }
}
