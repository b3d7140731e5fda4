/** Nest applications that are nodes of one, over a real Redis. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { SubscribeMessage, WebSocketGateway, WebSocketServer } from '@nestjs/websockets';
import { NestwireAdapter, NestwireModule, type Server } from 'nestwire';
import { redisScaleOut, type RedisScaleOutOptions } from 'nestwire/redis';
import { createClient } from 'redis';
import { Adapter } from 'socket.io-adapter';
import {
  afterCase,
  cleanUp,
  collect,
  connect,
  createApp,
  freePort,
  next,
  nestwire,
  startApp,
} from '../../nest/support.js';
import { prepareRedis, startRedis, type RedisServer } from '../../support/redis-server.js';
import { Gateway, relayStats, startNode, until } from './support.js';

const RELAY = { host: '127.0.0.1' };
let redis: RedisServer;

beforeEach(async () => {
  redis = await startRedis();
  afterCase(() => redis.close());
});
afterEach(cleanUp);

const keys = async (): Promise<string[]> => {
  const client = await createClient({ url: redis.url }).connect();
  const all = await client.keys('*');
  client.destroy();
  return all.toSorted();
};

describe('nodes over Redis', () => {
  it('send to each other’s clients from the moment they listen', async () => {
    const [a, b] = [await startNode(redis), await startNode(redis)];
    const [one, other] = [await connect(a.url), await connect(b.url)];
    const heard = Promise.all([next(one, 'said'), next(other, 'said')]);
    one.emit('say', 'first');
    expect(await heard).toEqual(['first', 'first']);
    const back = next(one, 'said');
    other.emit('say', 'second');
    expect(await back).toBe('second');
  });

  it('know rooms, requests and sockets of each other', async () => {
    const [a, b] = [await startNode(redis), await startNode(redis)];
    const [one, other] = [await connect(a.url), await connect(b.url)];
    other.on('question', (reply: (answer: string) => void) => reply('other'));
    one.on('question', (reply: (answer: string) => void) => reply('one'));
    await until(async () => (await a.io.fetchSockets()).length === 2);
    a.io.socketsJoin('room');
    await until(async () => (await b.io.in('room').fetchSockets()).length === 2);
    const answers = await a.io.to('room').timeout(5000).emitWithAck('question');
    expect(answers.toSorted()).toEqual(['one', 'other']);
  });

  it('find each other, and forget the one that closes', async () => {
    const [a, b] = [await startNode(redis), await startNode(redis)];
    await until(() => relayStats(a.io).nodes === 2 && relayStats(b.io).nodes === 2);
    expect(relayStats(b.io).isRegistryReachable).toBe(true);
    await b.app.close();
    await until(() => relayStats(a.io).nodes === 1);
  });

  it('agree on a secret, and keep to their prefix', async () => {
    await startNode(redis, { keyPrefix: 'shop:' });
    await startNode(redis, { keyPrefix: 'shop:' });
    const { io } = await startNode(redis, { keyPrefix: 'blog:', relay: { secret: 'x'.repeat(32) } });
    expect(await keys()).toEqual(['blog:nodes', 'shop:nodes', 'shop:secret']);
    expect(relayStats(io).nodes).toBe(1);
  });

  it('keep servers of one application apart', async () => {
    const port = await freePort();
    @WebSocketGateway(port)
    class Own {
      @WebSocketServer() server!: Server;
      @SubscribeMessage('say')
      say(): void {
        this.server.emit('said', 'on its own port');
      }
    }
    const a = await startNode(redis, {}, {}, [Gateway, Own]);
    const main = await connect(a.url);
    const own = await connect(`http://127.0.0.1:${port}`);
    const heard: unknown[] = [];
    for (const client of [main, own]) client.on('said', (text: unknown) => heard.push(text));
    const first = next(own, 'said');
    own.emit('say', '');
    expect(await first).toBe('on its own port');
    const second = next(main, 'said');
    main.emit('say', 'on the main port');
    expect(await second).toBe('on the main port');
    const third = next(own, 'said');
    own.emit('say', '');
    await third;
    expect(heard).toEqual(['on its own port', 'on the main port', 'on its own port']);
  });

  it('use a Redis with a password, and say what is wrong without it', async () => {
    const closed = await startRedis(['--requirepass', 'secret']);
    afterCase(() => closed.close());
    await startNode(closed, { client: { password: 'secret' } });
    await startNode(closed, { url: `redis://:secret@127.0.0.1:${closed.port}` });
    const failed = startNode(closed);
    await expect(failed).rejects.toThrow(`Redis at 127.0.0.1:${closed.port} cannot be reached: NOAUTH`);
  });
});

describe('an application that scales out', () => {
  const scaleOut = (options: RedisScaleOutOptions = {}) => redisScaleOut({ url: redis.url, relay: RELAY, ...options });

  it.each([
    ['forRootAsync', () => [NestwireModule.forRootAsync({ useFactory: () => ({ scaleOut: scaleOut() }) })]],
    ['the adapter', () => [NestwireModule.forRoot({})]],
    ['the adapter without the module', () => []],
  ])('is told so by %s', async (how, imports) => {
    const options = how === 'forRootAsync' ? {} : { scaleOut: scaleOut() };
    const { app, url } = await startApp({ imports: imports(), providers: [Gateway], adapter: nestwire(options) });
    const other = await startNode(redis);
    const client = await connect(url);
    const heard = next(client, 'said');
    other.io.emit('said', 'hello');
    expect(await heard).toBe('hello');
    await app.close();
  });

  it('does not listen without Redis, and says where it is', async () => {
    await redis.stop();
    const { app } = await createApp({
      imports: [NestwireModule.forRoot({ scaleOut: scaleOut() })],
      providers: [Gateway],
    });
    await expect(app.listen(0, '127.0.0.1')).rejects.toThrow(
      `Nestwire: Redis at 127.0.0.1:${redis.port} cannot be reached: connect ECONNREFUSED`,
    );
    expect(app.getHttpServer().listening).toBe(false);
  });

  it('does not listen with a Redis that hangs', async () => {
    redis.pause();
    await expect(startNode(redis)).rejects.toThrow('cannot be reached');
    redis.resume();
  });

  it('waits for a Redis that comes late', async () => {
    const late = await prepareRedis();
    afterCase(() => late.close());
    const starting = startNode(late);
    await late.start();
    await connect((await starting).url);
  });

  it('does without Redis where it may, and heals by itself', async () => {
    await redis.stop();
    const a = await startNode(redis, { whenUnreachable: 'degrade' });
    const one = await connect(a.url);
    expect(await one.emitWithAck('ack', 'alone')).toBe('alone!');
    expect(relayStats(a.io).isRegistryReachable).toBe(false);
    await redis.start();
    await until(() => relayStats(a.io).isRegistryReachable && a.lines.length === 2);
    const b = await startNode(redis);
    const heard = collect(one, 'said');
    // what is sent before it has found its place in the stream is not for it
    await until(() => {
      b.io.emit('said', 'together');
      return heard.length > 0;
    });
    expect(a.lines).toEqual([
      expect.stringContaining(`Redis at 127.0.0.1:${redis.port} is away: connect ECONNREFUSED`),
      `Redis at 127.0.0.1:${redis.port} is back`,
    ]);
  });

  it('starts once for all servers, and not before there is one', async () => {
    const started: string[] = [];
    const real = scaleOut();
    const counting = { start: (host: Parameters<typeof real.start>[0]) => (started.push('start'), real.start(host)) };
    const port = await freePort();
    @WebSocketGateway(port)
    class Own {}
    const { app } = await createApp({
      imports: [NestwireModule.forRoot({ scaleOut: counting })],
      providers: [Gateway, Own],
    });
    expect(started).toEqual([]);
    await app.init();
    expect(started).toEqual(['start']);
  });

  it('keeps an adapter of its own', async () => {
    class Own extends Adapter {}
    class OwnAdapter extends NestwireAdapter {
      override createIOServer(port: number, options?: unknown): Server {
        const server = super.createIOServer(port, options) as Server;
        server.adapter(Own);
        return server;
      }
    }
    const { app } = await startApp({
      providers: [Gateway],
      adapter: (nest) => new OwnAdapter(nest, { scaleOut: scaleOut() }),
    });
    const { server } = app.get(Gateway);
    expect(server.adapter()).toBe(Own);
    expect(relayStats(server).nodes).toBeLessThan(2);
    const named = await startApp({ providers: [Gateway], adapter: nestwire({ scaleOut: scaleOut(), adapter: Own }) });
    expect(named.app.get(Gateway).server.adapter()).toBe(Own);
  });

  it.each([{}, 'redis://redis', 5])('refuses what is no way to scale out: %j', async (wrong) => {
    const refused = createApp({ providers: [Gateway], adapter: nestwire({ scaleOut: wrong as never }) });
    await expect(refused).rejects.toMatchObject({ name: 'InvalidOptionError', option: 'scaleOut' });
  });
});
