import { once } from 'node:events';
import { afterEach, describe, expect, it } from '@jest/globals';
import { WebSocketGateway } from '@nestjs/websockets';
import { MessageStream, NestwireAdapter, SubscribeStream, type StreamOptions } from 'nestwire';
import { connect as connectBy } from 'nestwire/client';
import { Subject, type Observable } from 'rxjs';
import type { Socket } from 'socket.io';
import type { Socket as ClientSocket } from 'socket.io-client';
import type { Session } from '../../../lib/engine/session.js';
import { until } from '../../client/support.js';
import { startStall } from '../stall.js';
import { afterCase, cleanUp, next, startApp } from '../support.js';

afterEach(cleanUp);

const TRANSPORTS = ['websocket', 'eventsource'] as const;
/** Bytes that may wait; a stream that is read well has up to 64 KiB to confirm. */
const BYTES = 300_000;
const BLOCK = 'x'.repeat(50_000);
/** More blocks than the kernel's buffers take, and then some. */
const MANY = 1000;

/** An application whose stream sends what `out$` says, and a client that can stop reading. */
async function start(transport: (typeof TRANSPORTS)[number], options: StreamOptions) {
  const out$ = new Subject<{ event: string; data: unknown }>();
  let server!: Socket;
  let adapter!: NestwireAdapter;
  @WebSocketGateway()
  class Gateway {
    handleConnection(client: Socket): void {
      server ??= client;
    }

    @SubscribeStream('go', options)
    go(@MessageStream() _go$: Observable<unknown>): Observable<unknown> {
      return out$;
    }
  }
  const { url } = await startApp({
    providers: [Gateway],
    adapter: (app) => (adapter = new NestwireAdapter(app, { pingInterval: 60_000 })),
  });
  const network = await startStall(Number(new URL(url).port));
  const connect = async (to: string): Promise<ClientSocket> => {
    const client = connectBy(to, { transports: [transport], forceNew: true, reconnection: false });
    afterCase(async () => {
      client.disconnect();
      const { engine } = client.io;
      // what it still sends is sent again until it is answered
      if (engine.readyState !== 'closed') await new Promise((resolve) => engine.once('close', resolve));
    });
    await next(client, 'connect');
    return client;
  };
  const client = await connect(network.url);
  return { out$, client, network, url, connect, server, stats: () => adapter.streamStats()[0]! };
}

/** Sends blocks, a turn of the event loop each. @returns how many bytes waited at most. */
async function pour(
  out$: Subject<{ event: string; data: unknown }>,
  server: Socket,
  count = MANY,
  keepsUp: (n: number) => boolean = () => true,
): Promise<number> {
  let most = 0;
  for (let n = 0; n < count; n++) {
    out$.next({ event: 'block', data: [n, BLOCK] });
    out$.next({ event: 'count', data: n });
    // oxlint-disable-next-line no-await-in-loop
    do await new Promise((resolve) => setImmediate(resolve));
    while (!keepsUp(n));
    most = Math.max(most, (server.conn as unknown as Session).waitingBytes);
  }
  return most;
}

function hear(client: ClientSocket): { blocks: number[]; counts: number[] } {
  const heard = { blocks: [] as number[], counts: [] as number[] };
  client.on('block', ([n]: [number]) => heard.blocks.push(n));
  client.on('count', (n: number) => heard.counts.push(n));
  return heard;
}

const isRising = (numbers: number[]): boolean => numbers.every((n, i) => i === 0 || n > numbers[i - 1]!);

describe.each(TRANSPORTS)('a client that stops reading, by %s', (transport) => {
  describe.each(['client', 'gateway'] as const)('in %s scope', (scope) => {
    it('drop: gets none of what was sent meanwhile, and costs no more than its budget', async () => {
      const { out$, client, network, server, stats } = await start(transport, {
        scope,
        slowReaders: { bytes: BYTES, policy: 'drop' },
      });
      const heard = hear(client);
      network.stall();
      const most = await pour(out$, server);
      expect(most).toBeLessThan(BYTES + 3 * BLOCK.length);
      network.go();
      const { dropped } = stats();
      expect(dropped).toBeGreaterThan(0);
      await until(() => heard.blocks.length + heard.counts.length === 2 * MANY - dropped, 'what was not dropped');
      expect(isRising(heard.blocks)).toBe(true);
      // it is a reader like others again
      await until(() => (server.conn as unknown as Session).waitingBytes < BYTES, 'all has left');
      out$.next({ event: 'count', data: MANY });
      await until(() => heard.counts.at(-1) === MANY, 'the next one');
      expect(client.connected).toBe(true);
    });

    it('latest: gets the last value of each event, after what it had before', async () => {
      const { out$, client, network, server, stats } = await start(transport, {
        scope,
        slowReaders: { bytes: BYTES, policy: 'latest' },
      });
      const heard = hear(client);
      network.stall();
      const most = await pour(out$, server);
      expect(most).toBeLessThan(BYTES + 3 * BLOCK.length);
      network.go();
      await until(() => heard.blocks.at(-1) === MANY - 1 && heard.counts.at(-1) === MANY - 1, 'the last of each');
      expect(isRising(heard.blocks) && isRising(heard.counts)).toBe(true);
      expect(heard.blocks.length + heard.counts.length).toBe(2 * MANY - stats().dropped);
    });

    it('disconnect: is cut off whole, and others are not touched', async () => {
      const { out$, client, network, url, connect, server, stats } = await start(transport, {
        scope,
        slowReaders: { bytes: BYTES, policy: 'disconnect' },
      });
      const other = await connect(url);
      const heard = hear(other);
      network.stall();
      const ended = once(server, 'disconnect');
      const count = 400;
      // two blocks ahead at most, so that it is one only that is slow
      const poured = pour(out$, server, count, (n) => heard.counts.length >= n - 2);
      expect(await ended).toEqual(['transport error', expect.any(Error)]);
      await poured;
      await until(() => heard.counts.length === count, 'the other one got all');
      expect(stats()).toMatchObject({ dropped: 0 });
      network.go();
      if (client.connected) await next(client, 'disconnect');
    });
  });
});
