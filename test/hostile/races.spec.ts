import { describe, expect, it } from '@jest/globals';
import { ask } from '../support/wire-http.js';
import { until, useEngines } from '../support/wire-engine.js';
import { expectService, rowOf, told } from '../support/wire-hostile.js';
import { WsClient } from '../support/wire-websocket.js';

/*
 * What was true when a request was let in may have changed when the application's own checks are done.
 */

const start = useEngines();
const polling = rowOf('polling/4');

/** A promise and the function that keeps it. */
function gate(): { open: () => void; opened: Promise<void> } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { open, opened };
}

function tally(answers: string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const answer of answers) counts[answer] = (counts[answer] ?? 0) + 1;
  return counts;
}

describe('handshakes that wait for the application', () => {
  it('get different ids, or are refused', async () => {
    const target = await start();
    const { open, opened } = gate();
    let waiting = 0;
    target.engine.generateId = async () => {
      waiting++;
      await opened;
      return 'the-same-id';
    };
    const asked = Array.from({ length: 5 }, () => ask(`${target.url}?EIO=4&transport=polling`));
    await until(() => waiting === 5);
    open();
    const answers = await Promise.all(asked);
    expect(tally(answers.map(told))).toEqual({ handshake: 1, '400 Bad request': 4 });
    expect(target.engine.clientsCount).toBe(1);
    (await target.sessions.next()).close(true);
    expect(target.engine.clientsCount).toBe(0);
  });

  it('are counted against maxSessions when they open', async () => {
    const { open, opened } = gate();
    let waiting = 0;
    const target = await start({
      limits: { maxSessions: 2 },
      allowRequest: async (_req: unknown, done: (error: null, ok: boolean) => void) => {
        waiting++;
        await opened;
        done(null, true);
      },
    });
    const url = `${target.url}?EIO=4&transport`;
    const asked = Array.from({ length: 4 }, () => ask(`${url}=polling`).then(told));
    const dialled = Array.from({ length: 4 }, () => {
      const client = new WsClient(`${url}=websocket`.replace('http', 'ws'));
      target.onTeardown(() => client.cut());
      const opens = client.next().then(() => 'handshake');
      return Promise.race([opens, client.refused.then(({ status, body }) => told({ status: status!, text: body }))]);
    });
    await until(() => waiting === 8);
    open();
    expect(tally(await Promise.all([...asked, ...dialled]))).toEqual({ handshake: 2, '503 Too many sessions': 6 });
    expect(target.engine.clientsCount).toBe(2);
  });

  it('are refused when the engine has closed meanwhile', async () => {
    const { open, opened } = gate();
    let waiting = 0;
    const target = await start();
    target.engine.generateId = async () => {
      waiting++;
      await opened;
      return `late-${waiting}`;
    };
    const asked = ask(`${target.url}?EIO=4&transport=polling`).then(told);
    const client = new WsClient(`${target.url}?EIO=4&transport=websocket`.replace('http', 'ws'));
    await until(() => waiting === 2);
    target.engine.close();
    open();
    expect(await asked).toBe('503 Server is shutting down');
    expect((await client.refused).status).toBe(503);
    expect(target.engine.clientsCount).toBe(0);
  });
});

describe('requests whose origin is still being judged', () => {
  async function withSlowOrigins() {
    const { open, opened } = gate();
    let waiting = 0;
    const target = await start({
      origins: async () => {
        waiting++;
        await opened;
        return true;
      },
    });
    const client = await polling.open(target, { paused: true });
    const session = await target.sessions.next();
    const url = `${target.url}?EIO=4&transport=polling&sid=${client.sid}`;
    const headers = { origin: 'https://slow.example' };
    return { open, target, session, url, headers, pending: () => until(() => waiting > 0) };
  }

  it.each(['GET', 'POST'])('are refused when the session has changed its transport meanwhile (%s)', async (method) => {
    const { open, target, session, url, headers, pending } = await withSlowOrigins();
    const asked = ask(url, { method, headers, body: method === 'POST' ? '4x' : undefined }).then(told);
    await pending();
    const candidate = new WsClient(url.replace('http', 'ws').replace('polling', 'websocket'));
    target.onTeardown(() => candidate.cut());
    await candidate.opened;
    await candidate.send('2probe');
    await candidate.send('5');
    await until(() => session.upgraded);
    open();
    expect(await asked).toBe('400 Bad request');
    expect(session.upgrading).toBe(false);
    session.send('unharmed');
    await candidate.next();
    expect(await candidate.next()).toBe('4unharmed');
  });

  it('are refused when the session has ended meanwhile', async () => {
    const { open, target, session, url, headers, pending } = await withSlowOrigins();
    const asked = ask(url, { headers }).then(told);
    await pending();
    session.close(true);
    open();
    expect(await asked).toBe('400 Session ID unknown');
    await expectService(target);
  });
});

describe('a session that ends while it is given packets', () => {
  it('takes none of the rest of a body', async () => {
    const target = await start();
    const client = await polling.open(target, { paused: true });
    const session = await target.sessions.next();
    const received: unknown[] = [];
    session.on('message', (data) => {
      received.push(data);
      if (data === 'stop') session.close(true);
    });
    await ask(`${target.url}?EIO=4&transport=polling&sid=${client.sid}`, {
      method: 'POST',
      body: '4one\x1e4stop\x1e4two\x1eabc',
    }).catch(() => {});
    expect(received).toEqual(['one', 'stop']);
    await expectService(target);
  });
});
