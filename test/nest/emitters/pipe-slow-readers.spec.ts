/** What a pipe does with clients that do not read. The policies themselves: test/nest/streams/slow-readers.spec.ts. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { WebSocketGateway } from '@nestjs/websockets';
import { Emitter, getEmitterToken, NestwireModule, type SlowReaderBudget, type Socket } from 'nestwire';
import { Subject } from 'rxjs';
import type { Session } from '../../../lib/engine/session.js';
import { until } from '../../client/support.js';
import { startStall } from '../stall.js';
import { cleanUp, collect, connect, next, startApp } from '../support.js';

afterEach(cleanUp);

const BOARD = getEmitterToken('board');
/** Bytes that may wait. */
const BYTES = 300_000;
const BLOCK = 'x'.repeat(50_000);
/** More blocks than the kernel's buffers take, and then some. */
const MANY = 1000;

/** An application with a client that can stop reading, one that reads, and one that is not meant. */
async function start(slowReaders: SlowReaderBudget | undefined) {
  const servers: Socket[] = [];
  @WebSocketGateway({ namespace: 'board' })
  class Gateway {
    async handleConnection(socket: Socket): Promise<void> {
      servers.push(socket);
      await socket.join(socket.handshake.auth['room'] as string);
      socket.emit('joined');
    }
  }
  const { app, url, logger } = await startApp({
    imports: [NestwireModule.forRoot({ pingInterval: 60_000 })],
    providers: [Gateway],
  });
  const network = await startStall(Number(new URL(url).port));
  const slow = await connect(`${network.url}/board`, { auth: { room: 'red' } });
  const quick = await connect(`${url}/board`, { auth: { room: 'red' } });
  const other = await connect(`${network.url}/board`, { auth: { room: 'blue' } });
  await until(() => servers.length === 3, 'all are there');
  const out$ = new Subject<{ n: number; block: string }>();
  const emitter = app.get<Emitter<{ block(value: { n: number; block: string }): void }>>(BOARD);
  emitter.to('red').pipe('block', out$, { slowReaders });
  const waiting = (): number => (servers[0]!.conn as unknown as Session).waitingBytes;
  const [bySlow, byQuick, byOther] = [slow, quick, other].map((socket) => collect(socket, 'block')) as unknown[][];
  /** Sends blocks, two more than the quick one has at most. @returns how many bytes waited for the slow one at most. */
  const pour = async (): Promise<number> => {
    let most = 0;
    for (let n = 0; n < MANY; n++) {
      out$.next({ n, block: BLOCK });
      // oxlint-disable-next-line no-await-in-loop
      do await new Promise((resolve) => setImmediate(resolve));
      while (byQuick!.length < n - 2);
      most = Math.max(most, waiting());
    }
    return most;
  };
  return { out$, network, slow, bySlow: bySlow!, byQuick: byQuick!, byOther: byOther!, pour, waiting, logger };
}

const numbers = (heard: unknown[]): number[] => (heard as { n: number }[]).map(({ n }) => n);

describe('a pipe with a budget, and a client that stops reading', () => {
  it('drop: sends it none of what comes meanwhile; others get everything', async () => {
    const { out$, network, bySlow, byQuick, byOther, pour, waiting } = await start({ bytes: BYTES, policy: 'drop' });
    network.stall();
    const most = await pour();
    expect(most).toBeLessThan(BYTES + 3 * BLOCK.length);
    network.go();
    await until(() => waiting() === 0, 'all has left');
    out$.next({ n: MANY, block: '' });
    await until(() => byQuick.length === MANY + 1 && numbers(bySlow).at(-1) === MANY, 'the last one');
    expect(bySlow.length).toBeLessThan(MANY);
    expect(byOther).toEqual([]);
  });

  it('latest: sends it the last one when it reads again', async () => {
    const { network, bySlow: heard, pour } = await start({ bytes: BYTES, policy: 'latest' });
    network.stall();
    await pour();
    network.go();
    await until(() => numbers(heard).at(-1) === MANY - 1, 'the last one');
    expect(heard.length).toBeLessThan(MANY);
  });

  it('disconnect: cuts its connection, and says so', async () => {
    const { network, slow, pour, logger } = await start({ bytes: BYTES, policy: 'disconnect' });
    network.stall();
    const gone = next(slow, 'disconnect');
    await pour();
    network.go();
    await gone;
    expect(logger.warnings).toEqual([
      expect.stringMatching(/emitter of \/board: pipe\("block"\): client .* reads too/),
    ]);
  });

  it('none: keeps all that it has not read', async () => {
    const { network, bySlow: heard, pour } = await start(undefined);
    network.stall();
    const most = await pour();
    expect(most).toBeGreaterThan(BYTES + 3 * BLOCK.length);
    network.go();
    await until(() => heard.length === MANY, 'everything');
  });
});
