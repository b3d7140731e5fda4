import { afterEach, expect, it } from '@jest/globals';
import { ConnectedSocket, WebSocketGateway } from '@nestjs/websockets';
import { MessageStream, NestwireAdapter, SubscribeStream, type Incoming, type StreamStats } from 'nestwire';
import { finalize, interval, merge, type Observable } from 'rxjs';
import type { Socket } from 'socket.io';
import { WebSocket } from 'ws';
import { until } from '../../client/support.js';
import { cleanUp, startApp } from '../support.js';

afterEach(cleanUp);

const CONNECTIONS = 10_000;
const AT_A_TIME = 50;

/** Connects, sends a message, and goes away: in an orderly way, or not. */
async function visit(url: string, n: number): Promise<void> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
  await new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('message', (data: Buffer) => {
      const text = data.toString();
      if (text.startsWith('0{')) socket.send('40');
      else if (text.startsWith('40')) socket.send('420["word","hello"]');
      else if (text.startsWith('430')) {
        if (n % 3 === 0) socket.terminate();
        else if (n % 3 === 1) socket.send('41', () => socket.close());
        else socket.close();
      }
    });
    socket.on('close', () => resolve());
  });
}

it(`no subscription is left after ${CONNECTIONS} clients have come and gone`, async () => {
  let subscribed = 0;
  let finalized = 0;
  let adapter!: NestwireAdapter;
  const seen = new WeakSet<Socket>();
  @WebSocketGateway()
  class Gateway {
    @SubscribeStream('word')
    words(@MessageStream(String) word$: Observable<string>, @ConnectedSocket() client: Socket): Observable<unknown> {
      subscribed++;
      seen.add(client);
      return merge(word$, interval(60_000)).pipe(finalize(() => finalized++));
    }

    @SubscribeStream('word', { scope: 'gateway', concurrency: 4 })
    all(@MessageStream(String) _word$: Observable<Incoming<string>>): Observable<never> {
      return new Promise(() => {}) as never;
    }
  }
  const { url } = await startApp({
    providers: [Gateway],
    adapter: (app) => (adapter = new NestwireAdapter(app)),
  });
  let n = 0;
  const visitor = async (): Promise<void> => {
    // oxlint-disable-next-line no-await-in-loop
    while (n < CONNECTIONS) await visit(url, n++);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, visitor));
  const stats = (): StreamStats => adapter.streamStats().find(({ stream }) => stream.endsWith('words()'))!;
  await until(() => stats().active === 0, 'every stream ended');
  expect(stats()).toMatchObject({ admitted: CONNECTIONS, failed: 0, overflowed: 0, timedOut: 0 });
  expect([subscribed, finalized]).toEqual([CONNECTIONS, CONNECTIONS]);
});
