/** The samples as processes: a worker announces to clients of two boards. Needs `npm run build` and `npm run build:sample`. */
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect, it } from '@jest/globals';
import { Board } from '../browser/support/board.js';
import { afterCase, cleanUp, connect, next } from '../nest/support.js';
import { startRedis } from '../support/redis-server.js';

afterEach(cleanUp);

it('a worker announces to the clients of all boards', async () => {
  const redis = await startRedis();
  afterCase(() => redis.close());
  const environment = { REDIS_URL: redis.url, NESTWIRE_RELAY_HOST: '127.0.0.1' };
  const start = async (): Promise<string> => {
    const board = await Board.start(environment);
    afterCase(() => board.stop());
    return board.url;
  };
  const urls = [await start(), await start()];
  const clients = await Promise.all(
    urls.map((url, i) => connect(`${url}/board`, { auth: { name: `Guest ${i}`, key: `${i}`.repeat(22) } })),
  );
  const heard = Promise.all(clients.map((client) => next(client, 'chat')));
  const run = promisify(execFile);
  const env = { ...process.env, NODE_OPTIONS: '', REDIS_URL: redis.url };
  const { stdout } = await run(process.execPath, [resolve('dist-sample/worker/main.js'), 'Lunch is ready'], { env });
  expect(stdout).toBe('Announced to 2 clients\n');
  const lines = (await heard).map((line: unknown) => (Array.isArray(line) ? line[0] : line));
  expect(lines).toEqual(Array(2).fill(expect.objectContaining({ kind: 'announcement', text: 'Lunch is ready' })));
});
