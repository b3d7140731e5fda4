import type { IncomingMessage } from 'node:http';
import { until, type Harness } from '../support/wire-engine.js';
import { RawConnection, ask, requestText, upgradeText } from '../support/wire-http.js';
import { exchange, NO_SESSION, rowOf, same, told, toldRaw, victim, type Case } from '../support/wire-hostile.js';

const HANDSHAKE = '/engine.io/?EIO=4&transport=polling';
const UPGRADE = '/engine.io/?EIO=4&transport=websocket';
const polling = rowOf('polling/4');

/** Asks for a handshake that is refused for now. */
async function refusedHandshake(target: Harness): Promise<string> {
  const answer = await ask(`${target.url}?EIO=4&transport=polling`);
  if (answer.headers['retry-after'] !== '1') throw new Error('no Retry-After');
  return told(answer);
}

/** Limits of ours, which stock engine.io does not have. */
export const limitCases: Case[] = [
  {
    input: 'Handshakes beyond `limits.maxSessions`',
    async run(start) {
      const one = await victim(start, polling, { limits: { maxSessions: 1 } });
      const answers = [await refusedHandshake(one.target), await exchange(one.target, upgradeText(UPGRADE))];
      const session = await one.fate();
      one.session.close(true);
      return { target: one.target, answer: same(answers), session, left: 0 };
    },
  },
  {
    input: 'Handshakes beyond `limits.maxSessionsPerAddress`',
    async run(start) {
      const one = await victim(start, polling, { limits: { maxSessionsPerAddress: 1 }, trustProxy: false });
      const answers = [await refusedHandshake(one.target), await exchange(one.target, upgradeText(UPGRADE))];
      const session = await one.fate();
      one.session.close(true);
      return { target: one.target, answer: same(answers), session, left: 0 };
    },
  },
  {
    input: 'Handshakes beyond `limits.maxHandshakesPerSecond`',
    async run(start) {
      // behind a proxy that is trusted, addresses are those it tells
      const target = await start({ limits: { maxHandshakesPerSecond: 20 }, trustProxy: true });
      const headers = { 'x-forwarded-for': '203.0.113.7' };
      const answers: string[] = [];
      for (let i = 0; i < 60; i++) answers.push(told(await ask(`${target.url}?EIO=4&transport=polling`, { headers })));
      const refused = answers.filter((answer) => answer !== 'handshake');
      if (refused.length === 0 || refused.length > 40) throw new Error(`${refused.length} of 60 were refused`);
      for (const session of target.sessions.drain()) session.close(true);
      return { target, answer: same(refused), session: NO_SESSION };
    },
  },
  {
    input: 'POST bodies beyond `limits.maxPendingUpstreamBytes` over all sessions',
    async run(start) {
      const one = await victim(start, polling, { limits: { maxPendingUpstreamBytes: 10_000 } });
      const other = await polling.open(one.target, { paused: true });
      const path = new URL(one.url).pathname + new URL(one.url).search;
      const otherPath = path.replace(one.client.sid, other.sid);
      const slow = new RawConnection(one.target.port);
      one.target.onTeardown(() => slow.socket.destroy());
      slow.write(requestText('POST', otherPath, { 'content-length': '9000' }, `4${'x'.repeat(8_000)}`));
      const receiving = await new Promise<IncomingMessage>((resolve) => one.target.server.once('request', resolve));
      await until(() => receiving.socket.bytesRead > 8_000);
      const answer = told(await ask(one.url, { method: 'POST', body: `4${'x'.repeat(5_000)}` }));
      slow.write('x'.repeat(999));
      if (toldRaw(await slow.until(/ok$/)) !== '200 ok') throw new Error('the first body was not taken');
      await other.close();
      return { target: one.target, answer, session: await one.fate() };
    },
  },
  {
    input: 'Headers beyond `limits.maxHeaderBytes`, below what Node allows',
    async run(start) {
      const target = await start({ limits: { maxHeaderBytes: 2_000 } });
      const headers = { cookie: 'c'.repeat(3_000), connection: 'close' };
      const answers = [
        await exchange(target, requestText('GET', HANDSHAKE, headers)),
        await exchange(target, upgradeText(UPGRADE, { cookie: headers.cookie })),
      ];
      return { target, answer: same(answers), session: NO_SESSION };
    },
  },
];
