import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { connect } from 'nestwire/client';
import type { Socket } from 'socket.io-client';
import type { Socket as ServerSocket } from 'socket.io';
import { ALL, nextEvent, startLive, type Live } from './support.js';

/*
 * A server that has ended a session refuses whatever still comes for it, and browsers write every refusal to their console.
 * So the client sends nothing more to a session of which it knows that it is over.
 */

let live: Live;
let client: Socket;
let refused: string[];

beforeEach(async () => {
  live = await startLive();
  refused = [];
  live.engine.on('connection_error', ({ req, message }) => refused.push(`${req.method} ${message}`));
});

afterEach(async () => {
  client.disconnect();
  await live.close();
});

async function connectBy(name: (typeof ALL)[number]): Promise<ServerSocket> {
  const accepted = new Promise<ServerSocket>((resolve) => live.io.once('connection', resolve));
  client = connect(live.url, { transports: [name], forceNew: true, reconnection: false });
  await nextEvent(client, 'connect');
  return accepted;
}

/** What was on its way when the session ended has come by then: some round trips by the same transport. */
async function laterOn(name: (typeof ALL)[number]): Promise<void> {
  const other = connect(live.url, { transports: [name], forceNew: true });
  for (let n = 0; n < 3; n++) expect(await other.emitWithAck('echo', n)).toBe(n);
  other.disconnect();
}

describe.each(ALL)('a client by %s', (name) => {
  it('says nothing to a server that has disconnected it', async () => {
    const server = await connectBy(name);
    const gone = nextEvent(client, 'disconnect');
    server.disconnect(true);
    expect((await gone)[0]).toBe('io server disconnect');
    await laterOn(name);
    expect(refused).toEqual([]);
  });

  it('answers nothing that came with the end', async () => {
    const server = await connectBy(name);
    const heard: unknown[] = [];
    client.on('last', (word: string) => {
      heard.push(word);
      client.emit('echo', word);
      client.disconnect();
    });
    // the engine hears of it as it is read, socket.io a moment later
    client.io.engine.on('data', () => client.io.engine.send('0too late'));
    const gone = nextEvent(client, 'disconnect');
    server.emit('last', 'word');
    server.disconnect(true);
    await gone;
    await laterOn(name);
    expect(heard).toEqual(['word']);
    expect(refused).toEqual([]);
  });

  it('is told by what the server sends to all before it disconnects them', async () => {
    await connectBy(name);
    const heard = nextEvent(client, 'closing');
    const gone = new Promise((resolve) => client.once('disconnect', resolve));
    live.io.emit('closing', 'time');
    live.io.disconnectSockets(true);
    expect(await heard).toEqual(['time']);
    expect(await gone).toBe('io server disconnect');
    await laterOn(name);
    expect(refused).toEqual([]);
  });

  it('knows the end of a session that is over with its first packets', async () => {
    live.io.on('connection', (socket) => socket.disconnect(true));
    const accepted = connectBy(name);
    const reason = await new Promise((resolve) => client.once('disconnect', resolve));
    expect(reason).toBe('io server disconnect');
    await accepted;
    live.io.removeAllListeners('connection');
    live.io.on('connection', (socket) => socket.on('echo', (n: number, ack: (n: number) => void) => ack(n)));
    await laterOn(name);
    expect(refused).toEqual([]);
  });
});
