/** Emitters of a process without a server, over a real Redis. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Injectable, Module, type DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { WebSocketGateway, WebSocketServer } from '@nestjs/websockets';
import { Emitter, InjectEmitter, type Server } from 'nestwire';
import { RedisEmitterModule, type RedisEmitterOptions } from 'nestwire/redis';
import { firstValueFrom, of, toArray } from 'rxjs';
import { afterCase, cleanUp, collect, connect, freePort, next } from '../nest/support.js';
import { startNode, until, Gateway } from '../scale-out/redis/support.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';

let redis: RedisServer;

beforeEach(async () => {
  redis = await startRedis();
  afterCase(() => redis.close());
});
afterEach(cleanUp);

@WebSocketGateway({ namespace: 'board' })
class Board {
  @WebSocketServer() server!: Server;
}

@Injectable()
class Announcer {
  constructor(
    @InjectEmitter() readonly main: Emitter,
    @InjectEmitter('board') readonly board: Emitter,
  ) {}
}

async function startWorker(imports: DynamicModule[]): Promise<Announcer & { close(): Promise<void> }> {
  @Module({ imports, providers: [Announcer] })
  class WorkerModule {}
  const worker = await NestFactory.createApplicationContext(WorkerModule, { logger: false, abortOnError: false });
  afterCase(() => worker.close());
  return Object.assign(worker.get(Announcer), { close: () => worker.close() });
}

const forRoot = (options: RedisEmitterOptions = {}) => [RedisEmitterModule.forRoot({ url: redis.url, ...options })];

describe('an emitter of a worker', () => {
  it('reaches the clients of all nodes, by namespace and room', async () => {
    const nodes = [await startNode(redis, {}, {}, [Gateway, Board]), await startNode(redis, {}, {}, [Gateway, Board])];
    const mains = await Promise.all(nodes.map(({ url }) => connect(url)));
    const boards = await Promise.all(nodes.map(({ url }) => connect(`${url}/board`)));
    const worker = await startWorker(forRoot());
    const onMain = Promise.all(mains.map((client) => next(client, 'said')));
    worker.main.emit('said', 'to all');
    expect(await onMain).toEqual(['to all', 'to all']);
    const onBoard = Promise.all(boards.map((client) => next(client, 'said')));
    worker.board.emit('said', 'to the board');
    expect(await onBoard).toEqual(['to the board', 'to the board']);
    worker.main.to(mains[1]!.id!).join('blue');
    await until(async () => (await worker.main.to('blue').sockets()).length === 1);
    const inRoom = next(mains[1]!, 'said');
    worker.main.to('blue').emit('said', 'to a room');
    expect(await inRoom).toBe('to a room');
  });

  it('gets answers, and lists of clients', async () => {
    const a = await startNode(redis);
    const client = await connect(a.url);
    client.on('ready', (question: string, reply: (answer: string) => void) => reply(`${question} yes`));
    const worker = await startWorker(forRoot());
    await until(async () => (await worker.main.sockets()).length === 1);
    const answers = worker.main.request('ready', 'really?', { timeout: 5000 }).pipe(toArray());
    expect(await firstValueFrom(answers)).toEqual(['really? yes']);
    expect((await worker.main.sockets())[0]!.id).toBe(client.id);
  });

  it('sends what it has before it ends: a script may emit and close', async () => {
    const a = await startNode(redis);
    const client = await connect(a.url);
    const said = next(client, 'said');
    const worker = await startWorker(forRoot());
    worker.main.emit('said', 'last words');
    await worker.close();
    expect(await said).toBe('last words');
  });

  it('reaches another server of the nodes by its port and path', async () => {
    const port = await freePort();
    @WebSocketGateway(port, { path: '/live' })
    class Live {}
    await startNode(redis, {}, {}, [Gateway, Live]);
    const client = await connect(`http://127.0.0.1:${port}`, { path: '/live' });
    @Injectable()
    class Other {
      constructor(@InjectEmitter({ port, path: '/live' }) readonly live: Emitter) {}
    }
    @Module({ imports: forRoot(), providers: [Other] })
    class WorkerModule {}
    const worker = await NestFactory.createApplicationContext(WorkerModule, { logger: false });
    afterCase(() => worker.close());
    const said = next(client, 'said');
    worker.get(Other).live.pipe('said', of('by port'));
    expect(await said).toBe('by port');
  });

  it('finds nodes with a path of their own by the option', async () => {
    const a = await startNode(redis, {}, { path: '/ws' });
    const client = await connect(a.url, { path: '/ws' });
    const worker = await startWorker(forRoot({ path: '/ws/' }));
    const said = next(client, 'said');
    worker.main.emit('said', 'here');
    expect(await said).toBe('here');
  });

  it('takes its options from a factory, and refuses those that cannot be honoured', async () => {
    const useFactory = (): RedisEmitterOptions => ({ url: redis.url });
    await startWorker([RedisEmitterModule.forRootAsync({ useFactory })]);
    await expect(startWorker(forRoot({ maxLen: 0 }))).rejects.toMatchObject({ option: 'scaleOut.maxLen' });
    await expect(startWorker(forRoot({ relay: {} } as never))).rejects.toMatchObject({ option: 'relay' });
  });

  it('does not start without Redis, unless it may', async () => {
    await redis.stop();
    await expect(startWorker(forRoot())).rejects.toThrow(`Redis at 127.0.0.1:${redis.port} cannot be reached`);
    const worker = await startWorker(forRoot({ whenUnreachable: 'degrade' }));
    worker.main.emit('said', 'waits');
    await redis.start();
    const a = await startNode(redis);
    const client = await connect(a.url);
    const said = collect(client, 'said');
    worker.main.emit('said', 'arrives');
    await until(() => said.includes('arrives'));
  });
});
