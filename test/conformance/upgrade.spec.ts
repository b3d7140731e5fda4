import { describe, expect, it } from '@jest/globals';
import { ask } from '../support/wire-http.js';
import {
  event,
  ours,
  sessionClosed,
  until,
  useEngines,
  type Harness,
  type SessionLike,
} from '../support/wire-engine.js';
import { message, upgradePairs, type Candidate, type Connection, type OpenOptions } from '../support/wire-rows.js';

const start = useEngines();

describe.each(upgradePairs.map((pair) => ({ ...pair, name: `${pair.from.name} to ${pair.to.name}` })))(
  'upgrade from $name',
  ({ from, to }) => {
    async function connect(
      options = {},
      open: OpenOptions = {},
    ): Promise<{ target: Harness; client: Connection; session: SessionLike }> {
      const target = await start(options);
      const client = await from.open(target, open);
      return { target, client, session: await target.sessions.next() };
    }

    function candidateFor(target: Harness, sid: string): Candidate {
      return to.candidate(target, sid);
    }

    async function probe(target: Harness, sid: string): Promise<Candidate> {
      const candidate = candidateFor(target, sid);
      await candidate.opened;
      await candidate.send('2probe');
      expect(await candidate.next()).toBe('3probe');
      return candidate;
    }

    const urlOf = (target: Harness, sid: string) =>
      `${target.url}?EIO=${from.protocol}&transport=${from.transport}&sid=${sid}${from.getQuery(target.url)}`;

    it('succeeds with a pending poll, which the server ends', async () => {
      const { target, client, session } = await connect();
      await until(() => session.transport.writable);
      const upgraded = event(session, 'upgrade');
      const candidate = await probe(target, client.sid);
      expect(session.upgrading).toBe(true);
      expect(session.upgraded).toBe(false);
      await client.pause(); // returns only because the server answers the parked request
      await candidate.send('5');
      expect((await upgraded)[0]).toMatchObject({ name: to.transport });
      expect(session).toMatchObject({ upgraded: true, upgrading: false, readyState: 'open' });
      expect(session.transport.name).toBe(to.transport);
      expect(target.engine.clientsCount).toBe(1);
    });

    if (from.name.startsWith('polling')) {
      it('answers the pending poll with a noop', async () => {
        const { target, client } = await connect({}, { paused: true });
        const poll = ask(urlOf(target, client.sid));
        await probe(target, client.sid);
        expect((await poll).text).toBe(from.protocol === 4 ? '6' : '1:6');
      });
    }

    it('succeeds without a pending poll', async () => {
      const { target, client, session } = await connect({}, { paused: true });
      const candidate = await probe(target, client.sid);
      const upgraded = event(session, 'upgrade');
      await candidate.send('5');
      await upgraded;
      session.send('over the new way');
      expect(await candidate.next()).toBe('4over the new way');
    });

    if (from.name.startsWith('polling')) {
      it('ends with the close packet a poll that is still parked when the client swaps', async () => {
        const { target, client, session } = await connect({}, { paused: true });
        const candidate = candidateFor(target, client.sid);
        await candidate.opened;
        const poll = ask(urlOf(target, client.sid));
        await until(() => session.transport.writable);
        // both at once: the swap comes before the server has nudged the poll
        await Promise.all([candidate.send('2probe'), candidate.send('5')]);
        expect(['6', '1', '1:6', '1:1']).toContain((await poll).text);
        await until(() => session.upgraded);
        session.send('x');
        await candidate.next();
        expect(await candidate.next()).toBe('4x');
      });
    }

    it('raises "upgrading" with the probe and "upgrade" with the swap', async () => {
      const { target, client, session } = await connect();
      const events: string[] = [];
      session.on('upgrading', (transport: { name: string }) => events.push(`upgrading ${transport.name}`));
      session.on('upgrade', (transport: { name: string }) => events.push(`upgrade ${transport.name}`));
      const candidate = await probe(target, client.sid);
      expect(events).toEqual([`upgrading ${to.transport}`]);
      await client.pause();
      await candidate.send('5');
      await until(() => session.upgraded);
      expect(events).toEqual([`upgrading ${to.transport}`, `upgrade ${to.transport}`]);
    });

    it('delivers what was buffered meanwhile over the new transport', async () => {
      const { target, client, session } = await connect({}, { paused: true });
      const candidate = await probe(target, client.sid);
      session.send('one').send(Buffer.from([1, 2, 3]));
      await candidate.send('5');
      expect(await candidate.next()).toBe('4one');
      const binary = Buffer.from(to.protocol === 4 ? [1, 2, 3] : [4, 1, 2, 3]);
      expect(await candidate.next()).toEqual(binary);
      expect(session.upgraded).toBe(true);
    });

    it('keeps the order of messages in both directions', async () => {
      const { target, client, session } = await connect();
      const up: unknown[] = [];
      const down: unknown[] = [];
      session.on('message', (data) => up.push(data));
      let sent = 0;
      const sender = setInterval(() => {
        for (let i = 0; i < 5; i++) session.send(String(sent++));
      }, 1);
      target.onTeardown(() => clearInterval(sender));
      for (let i = 0; i < 20; i++) {
        await client.send(message(String(i)));
        down.push((await client.receive()).data);
      }
      const candidate = await probe(target, client.sid);
      await client.send(message('20'));
      await client.pause();
      await candidate.send('5');
      for (let i = 21; i < 40; i++) await candidate.send(`4${i}`);
      await until(() => up.length === 40);
      // these came by the new transport, so what is sent from now on goes there
      const before = sent;
      await until(() => sent > Math.max(300, before));
      clearInterval(sender);
      session.send('end');
      const rest: unknown[] = [];
      for (;;) {
        const frame = (await candidate.next()) as string;
        if (frame === '4end') break;
        rest.push(frame.slice(1));
      }
      // what the old transport delivered and was not read yet comes before what the new one delivered
      while (down.length + rest.length < sent) down.push((await client.receive()).data);
      expect([...down, ...rest]).toEqual(Array.from({ length: sent }, (_, i) => String(i)));
      expect(rest.length).toBeGreaterThan(0);
      expect(up).toEqual(Array.from({ length: 40 }, (_, i) => String(i)));
    });

    it('calls back for sends on both sides of the swap', async () => {
      const { target, client, session } = await connect();
      const called: string[] = [];
      session.send('before', {}, () => called.push('before'));
      await client.receive();
      const candidate = await probe(target, client.sid);
      await client.pause();
      session.send('between', {}, () => called.push('between'));
      await candidate.send('5');
      session.send('after', {}, () => called.push('after'));
      expect(await candidate.next()).toBe('4between');
      expect(await candidate.next()).toBe('4after');
      await until(() => called.length === 3);
      expect(called).toEqual(['before', 'between', 'after']);
    });

    it('refuses HTTP requests with the id afterwards, and the session goes on', async () => {
      const { target, client, session } = await connect();
      session.on('message', (data) => session.send(data));
      const candidate = await probe(target, client.sid);
      await client.pause();
      await candidate.send('5');
      await until(() => session.upgraded);
      for (const method of ['GET', 'POST']) {
        const answer = await ask(urlOf(target, client.sid), { method, body: method === 'POST' ? '4x' : undefined });
        expect(answer.status).toBe(400);
        expect(JSON.parse(answer.text)).toEqual({ code: 3, message: 'Bad request' });
        expect(await target.errors.next()).toMatchObject({ context: { name: 'TRANSPORT_MISMATCH' } });
      }
      await candidate.send('4hello');
      expect(await candidate.next()).toBe('4hello');
    });

    // a second GET replaces the first: see the streams' own specs
    if (!to.takesAnotherGet) {
      it('closes a second candidate, and the session goes on', async () => {
        const { target, client, session } = await connect();
        session.on('message', (data) => session.send(data));
        const candidate = await probe(target, client.sid);
        const early = candidateFor(target, client.sid);
        await early.closed;
        await client.pause();
        await candidate.send('5');
        await until(() => session.upgraded);
        const late = candidateFor(target, client.sid);
        await late.closed;
        await candidate.send('4hello');
        expect(await candidate.next()).toBe('4hello');
        expect(target.engine.clientsCount).toBe(1);
      });
    }

    it.each([
      ['a message', '4too early'],
      ['another ping', '2'],
      ['an invalid packet', 'abc'],
      ['a close packet', '1'],
    ])('gives a candidate up that sends %s instead of the swap', async (_what, packet) => {
      const { target, client, session } = await connect();
      const candidate = await probe(target, client.sid);
      await candidate.send(packet);
      await candidate.closed;
      await until(() => !session.upgrading);
      expect(session).toMatchObject({ readyState: 'open', upgraded: false });
      expect(session.transport.name).toBe(from.transport);
      session.send('old way');
      expect(await client.receive()).toEqual(message('old way'));
    });

    it('gives a candidate up that never probes properly', async () => {
      const { target, client, session } = await connect();
      const candidate = candidateFor(target, client.sid);
      await candidate.opened;
      await candidate.send('4no probe');
      await candidate.closed;
      await until(() => !session.upgrading);
      session.send('old way');
      expect(await client.receive()).toEqual(message('old way'));
    });

    it('can be tried again after a candidate was lost', async () => {
      // a candidate that may come back is waited for, until upgradeTimeout
      const { target, client, session } = await connect({ upgradeTimeout: to.takesAnotherGet ? 1_000 : 10_000 });
      const lost = await probe(target, client.sid);
      lost.cut();
      await until(() => !session.upgrading);
      session.send('still polling');
      expect(await client.receive()).toEqual(message('still polling'));
      const candidate = await probe(target, client.sid);
      await client.pause();
      await candidate.send('5');
      await until(() => session.upgraded);
      session.send('arrived');
      expect(await candidate.next()).toBe('4arrived');
    });

    it('gives up after upgradeTimeout', async () => {
      const { target, client, session } = await connect({ upgradeTimeout: 80 });
      const candidate = await probe(target, client.sid);
      await candidate.closed;
      expect(session).toMatchObject({ readyState: 'open', upgraded: false, upgrading: false });
      session.send('old way');
      expect(await client.receive()).toEqual(message('old way'));
    });

    it('gives up a silent candidate after upgradeTimeout', async () => {
      const { target, client, session } = await connect({ upgradeTimeout: 80 });
      const candidate = candidateFor(target, client.sid);
      await candidate.closed;
      expect(session).toMatchObject({ readyState: 'open', upgraded: false, upgrading: false });
    });

    it('ends with the session', async () => {
      const { target, client, session } = await connect();
      const candidate = await probe(target, client.sid);
      const ended = sessionClosed(session);
      session.close(true);
      expect((await ended).reason).toBe('forced close');
      await candidate.closed;
      expect(target.engine.clientsCount).toBe(0);
    });

    it('delivers before it closes when the session was closed during the upgrade', async () => {
      const { target, client, session } = await connect({}, { paused: true });
      const candidate = await probe(target, client.sid);
      const ended = sessionClosed(session);
      session.send('farewell');
      session.close();
      await candidate.send('5');
      expect(await candidate.next()).toBe('4farewell');
      await candidate.closed;
      expect((await ended).reason).toBe('forced close');
      expect(target.engine.clientsCount).toBe(0);
    });

    it('takes close reasons from the new transport', async () => {
      const { target, client, session } = await connect(to.vanishing);
      const candidate = await probe(target, client.sid);
      await client.pause();
      await candidate.send('5');
      await until(() => session.upgraded);
      const ended = sessionClosed(session);
      candidate.cut();
      expect((await ended).reason).toBe(to.reasons.drop);
      expect(target.engine.clientsCount).toBe(0);
    });

    it('keeps the heartbeat going on the new transport', async () => {
      const { target, client, session } = await connect({ pingInterval: 400, pingTimeout: 5_000 });
      const candidate = await probe(target, client.sid);
      await client.pause();
      await candidate.send('5');
      await until(() => session.upgraded);
      for (let round = 0; round < 2; round++) {
        const beat = event(session, 'heartbeat');
        if (to.protocol === 3) await candidate.send('2');
        expect(await candidate.next()).toBe(to.protocol === 3 ? '3' : '2');
        if (to.protocol === 4) await candidate.send('3');
        await beat;
      }
    });

    // stock forgets the time-out of a revision 3 session when it swaps
    if (ours || to.protocol === 4) {
      it('ends by ping timeout on the new transport', async () => {
        const { target, client, session } = await connect({ pingInterval: 150, pingTimeout: 60 });
        const ended = sessionClosed(session);
        const candidate = await probe(target, client.sid);
        await client.pause();
        await candidate.send('5');
        expect((await ended).reason).toBe('ping timeout');
        await candidate.closed;
      });
    }

    if (ours && to.protocol === 4) {
      // stock forgets the pong that it waits for when it swaps, and sends no ping any more
      it('still waits for a pong that was due before the swap', async () => {
        const { target, client, session } = await connect({ pingInterval: 40, pingTimeout: 400 });
        const ended = sessionClosed(session);
        expect(await client.receive()).toEqual({ type: 'ping' });
        const candidate = await probe(target, client.sid);
        await client.pause();
        await candidate.send('5');
        expect((await ended).reason).toBe('ping timeout');
      });
    }

    it('takes binary and text in both directions afterwards', async () => {
      const { target, client, session } = await connect();
      session.on('message', (data) => session.send(data));
      const candidate = await probe(target, client.sid);
      await client.pause();
      await candidate.send('5');
      await candidate.send('4čaj 🫖');
      expect(await candidate.next()).toBe('4čaj 🫖');
      const binary = Buffer.from(to.protocol === 4 ? [0, 255] : [4, 0, 255]);
      await candidate.send(binary);
      expect(await candidate.next()).toEqual(binary);
    });
  },
);
