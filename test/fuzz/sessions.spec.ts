import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { setMaxListeners } from 'node:events';
import { ask } from '../support/wire-http.js';
import { until, useEngines, type Harness, type SessionLike } from '../support/wire-engine.js';
import { expectService, rowOf } from '../support/wire-hostile.js';
import type { Row } from '../support/wire-rows.js';
import { WsClient } from '../support/wire-websocket.js';
import { almostBinaryPayload, almostTextPayload, bytes, runs, SEARCH_TIMEOUT, wellFormedText } from './arbitraries.js';

/*
 * Arbitrary deeds of a client and of the application to one session, at any pace. Whatever they were: the session can be
 * ended, every request then has its answer or its end, nothing is left behind, and the next client is served.
 */

const start = useEngines();

const body = fc.oneof(
  fc.constantFrom('4hello', '4a\x1e4b', '3', '2', '6', '5', '1', '0', '', '6:4hello', '1:2', '1:3', '1:1'),
  almostTextPayload,
  bytes,
  almostBinaryPayload,
);

const frame = fc.oneof(
  fc.constantFrom('4hello', '2probe', '5', '3', '2', '6', '1', ''),
  fc.constantFrom('2probe', '5', '4x'),
  wellFormedText,
  bytes,
);

type Deed =
  | { do: 'poll' | 'dial' | 'cut candidate' | 'cut polls' | 'send' | 'send binary' | 'close' | 'wait' }
  | { do: 'post'; body: string | Buffer; binary: boolean }
  | { do: 'frame'; frame: string | Buffer }
  | { do: 'ask'; method: string; transport: string };

const deed: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Deed>({ do: 'poll' }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('post' as const), body, binary: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('frame' as const), frame }) },
  { weight: 2, arbitrary: fc.constant<Deed>({ do: 'dial' }) },
  { weight: 3, arbitrary: fc.constantFrom<Deed>({ do: 'send' }, { do: 'send binary' }, { do: 'wait' }) },
  { weight: 1, arbitrary: fc.constantFrom<Deed>({ do: 'cut candidate' }, { do: 'cut polls' }, { do: 'close' }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('ask' as const),
      method: fc.constantFrom('HEAD', 'PUT', 'DELETE', 'OPTIONS'),
      transport: fc.constantFrom('polling', 'websocket'),
    }),
  },
);

/** Cuts any number of requests. */
function controller(): AbortController {
  const made = new AbortController();
  setMaxListeners(0, made.signal);
  return made;
}

/** One run: a session and everything that was asked about it. */
class Run {
  private readonly url: string;
  private readonly pending: Promise<unknown>[] = [];
  private readonly candidates: WsClient[] = [];
  private cut = controller();

  constructor(
    target: Harness,
    private readonly row: Row,
    private readonly session: SessionLike,
    sid: string,
  ) {
    this.url = `${target.url}?EIO=${row.protocol}&sid=${sid}`;
  }

  async act(one: Deed): Promise<void> {
    switch (one.do) {
      case 'poll':
        return this.ask('GET', this.row.transport);
      case 'ask':
        return this.ask(one.method, one.transport);
      case 'post':
        return this.ask('POST', this.row.transport, one.body, one.binary);
      case 'dial': {
        const candidate = new WsClient(`${this.url}&transport=websocket`.replace('http', 'ws'));
        this.candidates.push(candidate);
        await candidate.opened.catch(() => {}); // the session may have ended
        return;
      }
      case 'frame':
        await this.candidates
          .at(-1)
          ?.send(one.frame)
          .catch(() => {}); // the candidate may have been closed
        return;
      case 'cut candidate':
        return this.candidates.pop()?.cut();
      case 'cut polls':
        this.cut.abort();
        this.cut = controller();
        return;
      case 'send':
        return void this.session.send('text');
      case 'send binary':
        return void this.session.send(Buffer.from([1, 2, 3]));
      case 'close':
        return this.session.close();
      case 'wait':
        await new Promise(setImmediate);
    }
  }

  /** Everything that was asked must come to an end once the session has. */
  async end(): Promise<void> {
    this.session.close(true);
    for (const candidate of this.candidates) candidate.cut();
    await Promise.all(this.pending);
  }

  private ask(method: string, transport: string, body?: string | Buffer, binary = false): void {
    const headers = { 'content-type': binary ? 'application/octet-stream' : 'text/plain' };
    const asked = ask(`${this.url}&transport=${transport}`, { method, body, headers, signal: this.cut.signal });
    this.pending.push(asked.catch(() => {})); // a cut connection is an end as well
  }
}

describe.each(['polling/4', 'polling/3'])('a session begun over %s', (name) => {
  it(
    'can always be ended, and leaves nothing behind',
    async () => {
      const row = rowOf(name);
      const target = await start({ upgradeTimeout: 200 });
      await fc.assert(
        fc.asyncProperty(fc.array(deed, { minLength: 2, maxLength: 14 }), async (deeds) => {
          const { sid } = await row.open(target, { paused: true });
          const session = await target.sessions.next();
          const closes: unknown[] = [];
          session.on('close', (reason) => closes.push(reason));
          const run = new Run(target, row, session, sid);
          for (const one of deeds) await run.act(one);
          await run.end();
          await until(() => target.engine.clientsCount === 0);
          expect(closes).toHaveLength(1);
          expect(session).toMatchObject({ readyState: 'closed', upgrading: false });
        }),
        runs(120),
      );
      await expectService(target);
    },
    SEARCH_TIMEOUT,
  );
});
