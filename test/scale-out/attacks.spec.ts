import { describe, expect, it, jest } from '@jest/globals';
import type { IncomingMessage } from 'node:http';
import { SessionIds } from '../../lib/scale-out/session-ids.js';
import { until } from '../support/wire-engine.js';
import { ask, RawConnection, requestText, upgradeText } from '../support/wire-http.js';
import { relayServerOf, SECRET, targetOf, useNodes, usePairs, type TestNode } from './support.js';

const start = useNodes();
const pair = usePairs(start);

/** A request of somebody who minds his manners, to see that others are not harmed. */
async function expectHealthy({ url }: { url: string }): Promise<void> {
  const answer = await ask(url, { method: 'POST', body: '4x', headers: { 'content-type': 'text/plain' } });
  expect(answer).toMatchObject({ status: 200, text: 'ok' });
}

describe('the body of a request that is handed over', () => {
  it.each(['DELETE', 'OPTIONS', 'PUT', 'HEAD', 'PATCH'])(
    'of %s is not the beginning of another request to the owner',
    async (method) => {
      const nodes = await pair();
      const seen: string[] = [];
      relayServerOf(nodes.owner).on('request', (request: IncomingMessage) =>
        seen.push(`${request.method} ${request.url}`),
      );
      const smuggled = requestText('GET', '/smuggled');
      const connection = new RawConnection(nodes.other.port);
      const head = requestText(method, targetOf(nodes.url), { 'transfer-encoding': 'chunked', connection: 'close' });
      connection.write(`${head}${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`);
      expect(await connection.ended).toMatch(/^HTTP\/1.1 405 /);
      await expectHealthy(nodes);
      expect(seen).toEqual([`${method} ${targetOf(nodes.url)}`, `POST ${targetOf(nodes.url)}`]);
      expect(nodes.owner.engine.stats().relay).toMatchObject({ refused: 0, received: 2 });
    },
  );

  it('that is announced for a method without one takes nothing of the next request', async () => {
    const nodes = await pair();
    const connection = new RawConnection(nodes.other.port);
    connection.write(requestText('HEAD', targetOf(nodes.url), { 'content-length': '200' }));
    await connection.until(/^HTTP\/1.1 405 /);
    await expectHealthy(nodes);
    connection.socket.destroy();
  });

  it('of two lengths at once is refused before anybody else hears of it', async () => {
    const nodes = await pair();
    const connection = new RawConnection(nodes.other.port);
    const lengths = { 'content-length': '3', 'transfer-encoding': 'chunked' };
    connection.write(`${requestText('POST', targetOf(nodes.url), lengths)}3\r\n4xy\r\n0\r\n\r\n`);
    expect(await connection.ended).toMatch(/^HTTP\/1.1 400 /);
    expect(nodes.other.engine.stats().relay).toMatchObject({ forwarded: 0 });
  });

  it('that waits for leave to come is asked for', async () => {
    const nodes = await pair();
    const connection = new RawConnection(nodes.other.port);
    connection.write(requestText('POST', targetOf(nodes.url), { 'content-length': '2', expect: '100-continue' }));
    await connection.until(/^HTTP\/1.1 100 Continue\r\n\r\n/);
    connection.write('4x');
    expect(await connection.until(/ok$/)).toMatch(/\r\n\r\nHTTP\/1.1 200 OK\r\n/);
    connection.socket.destroy();
  });

  it('that never ends is given up when its client leaves', async () => {
    const nodes = await pair();
    const connection = new RawConnection(nodes.other.port);
    connection.write(`${requestText('POST', targetOf(nodes.url), { 'content-length': '50' })}4never`);
    await until(() => nodes.owner.engine.stats().relay!.received === 1);
    const problems: string[] = [];
    nodes.session.on('message', (data) => problems.push(data as string));
    connection.reset();
    await until(() => nodes.other.engine.stats().relay!.open === 0);
    await expectHealthy(nodes);
    expect(problems).toEqual(['x']);
  });
});

describe('the headers of a request that is handed over', () => {
  const seenBy = (owner: TestNode): IncomingMessage[] => {
    const requests: IncomingMessage[] = [];
    owner.engine.on('headers', (_headers, request: IncomingMessage) => requests.push(request));
    return requests;
  };

  it('arrive whatever Connection says of them: it is the same application', async () => {
    const { owner, other, url } = await pair();
    const requests = seenBy(owner);
    const connection = new RawConnection(other.port);
    const headers = { connection: 'close, x-secret, x-forwarded-for, cookie, content-length, nestwire-relay' };
    const more = { 'x-secret': '1', cookie: 'a=b', 'x-forwarded-for': '192.0.2.1', 'content-length': '2' };
    connection.write(`${requestText('POST', targetOf(url), { ...headers, ...more })}4x`);
    expect(await connection.ended).toMatch(/^HTTP\/1.1 200 /);
    expect(requests[0]!.headers).toMatchObject({ 'x-secret': '1', cookie: 'a=b', connection: 'keep-alive' });
    expect(requests[0]!.headers['x-forwarded-for']).toBe('192.0.2.1, 127.0.0.1');
  });

  it.each(['nestwire-relay', 'Nestwire-Relay', 'NESTWIRE-RELAY'])('that are ours (%s) are not', async (name) => {
    const nodes = await pair();
    const requests = seenBy(nodes.owner);
    const connection = new RawConnection(nodes.other.port);
    const forged = `${name}: a 1 allowed main %zz x\r\n${name}: b 2 allowed main %E0%A4%A x\r\n`;
    const text = requestText('POST', targetOf(nodes.url), { 'content-length': '2', connection: 'close' });
    connection.write(text.replace('\r\n\r\n', `\r\n${forged}\r\n4x`));
    expect(await connection.ended).toMatch(/^HTTP\/1.1 200 /);
    expect(requests[0]!.headers['nestwire-relay']).toBeUndefined();
    expect(nodes.owner.engine.stats().relay).toMatchObject({ received: 1, refused: 0 });
  });

  it.each([
    ['as many as Node takes', 'a: b\r\n'.repeat(2_300)],
    ['as large as Node takes', `x-large: ${'x'.repeat(16_180)}\r\n`],
  ])('may be %s', async (_what, lines) => {
    const nodes = await pair();
    const connection = new RawConnection(nodes.other.port);
    const text = requestText('POST', targetOf(nodes.url), { 'content-length': '2', connection: 'close' });
    connection.write(text.replace('\r\n\r\n', `\r\n${lines}\r\n4x`));
    expect(await connection.ended).toMatch(/^HTTP\/1.1 200 /);
    expect(nodes.owner.engine.stats().relay).toMatchObject({ received: 1, refused: 0 });
  });

  it('may lack Host, as in HTTP/1.0', async () => {
    const nodes = await pair();
    const connection = new RawConnection(nodes.other.port);
    connection.write(`POST ${targetOf(nodes.url)} HTTP/1.0\r\ncontent-length: 2\r\n\r\n4x`);
    expect(await connection.ended).toMatch(/^HTTP\/1.1 200 /);
  });

  it('and the target hold any byte, and no more comes of it than of a direct one', async () => {
    const nodes = await pair();
    const bytes = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => ![0x0a, 0x0d].includes(byte));
    const statusOf = async (port: number, byte: number, where: 'value' | 'target') => {
      const char = String.fromCharCode(byte);
      const target = targetOf(nodes.url) + (where === 'target' ? `&x=a${char}b` : '');
      const headers = {
        'content-length': '2',
        connection: 'close',
        ...(where === 'value' && { 'x-any': `a${char}b` }),
      };
      const connection = new RawConnection(port);
      connection.write(Buffer.from(`${requestText('POST', target, headers)}4x`, 'latin1'));
      return /^HTTP\/1.1 (\d+)/.exec(await connection.ended)?.[1];
    };
    for (const where of ['value', 'target'] as const) {
      for (const byte of bytes) {
        // one POST at a time
        // oxlint-disable-next-line no-await-in-loop
        const direct = await statusOf(nodes.owner.port, byte, where);
        // oxlint-disable-next-line no-await-in-loop
        expect([where, byte, await statusOf(nodes.other.port, byte, where)]).toEqual([where, byte, direct]);
      }
    }
    expect(nodes.owner.engine.stats().relay).toMatchObject({ refused: 0 });
  });
});

describe('what middlewares set here on an answer of the owner', () => {
  it('stays, lists of it as well', async () => {
    const { other, url } = await pair({ engine: { cors: { origin: 'http://app.example' } } });
    other.engine.use((_request, response, next) => {
      response.setHeader('Set-Cookie', ['a=1', 'b=2']);
      response.appendHeader('Vary', 'Accept');
      next();
    });
    const { headers } = await ask(url, { method: 'POST', body: '4x' });
    expect(headers).toMatchObject({ 'set-cookie': ['a=1', 'b=2'], vary: expect.stringMatching(/Origin, Accept/) });
  });

  it.each(['č\u010d\u010aX-Split: yes', 'a\r\nX-Split: yes', 'a\0b'])(
    'does not split the answer to an upgrade: %j',
    async (value) => {
      const { other, url } = await pair({}, 'websocket');
      other.engine.use((_request, response, next) => {
        response.setHeader('X-Good', 'yes');
        (response as unknown as { headers?: unknown }).headers ??= {};
        try {
          response.setHeader('X-Name', value);
        } catch {
          // a real response refuses it at once
        }
        next();
      });
      const connection = new RawConnection(other.port);
      connection.write(upgradeText(targetOf(url)));
      const text = await connection.until(/\r\n\r\n/);
      expect(text).toMatch(/^HTTP\/1.1 101 [^]*X-Good: yes/);
      expect(text).not.toMatch(/X-Split: yes\r\n|X-Name/);
      connection.socket.destroy();
    },
  );

  it('and an answer of their own, while the owner thinks, end nothing but that request', async () => {
    const { other, session, url } = await pair();
    let answer = (): void => {};
    other.engine.use((_request, response, next) => {
      answer = () => response.writeHead(504).end();
      next();
    });
    const asked = ask(url);
    await until(() => session.transport.writable);
    answer();
    session.send('late');
    expect((await asked).status).toBe(504);
    await until(() => other.engine.stats().relay!.open === 0);
  });

  it('answer a preflight here', async () => {
    const { owner, url } = await pair({ engine: { cors: { origin: 'http://app.example' } } });
    const headers = { origin: 'http://app.example', 'access-control-request-method': 'POST' };
    const answer = await ask(url, { method: 'OPTIONS', headers });
    expect(answer).toMatchObject({ status: 204, headers: { 'access-control-allow-origin': 'http://app.example' } });
    expect(owner.engine.stats().relay!.received).toBe(0);
  });
});

describe('an id that nobody made', () => {
  it.each([
    '__proto__',
    'constructor',
    'x'.repeat(12_000),
    '\0'.repeat(30),
    'é'.repeat(30),
    '%',
    new SessionIds('deadnode', `${SECRET}!`).make('x'),
  ])('costs others nothing: %p', async (sid) => {
    const { owner, other } = await pair();
    const url = `${other.url}?EIO=4&transport=polling&sid=${encodeURIComponent(sid)}`;
    for (const method of ['GET', 'POST']) {
      // oxlint-disable-next-line no-await-in-loop
      const answer = await ask(url, { method });
      expect([answer.status, JSON.parse(answer.text)]).toEqual([400, { code: 1, message: 'Session ID unknown' }]);
    }
    expect(other.engine.stats().relay).toMatchObject({ forwarded: 0 });
    expect(owner.engine.stats().relay).toMatchObject({ received: 0, refused: 0 });
  });
});

describe('what takes its time to be judged', () => {
  const judged = async () => {
    let decide = (): void => {};
    let judging = false;
    const origins = () => {
      judging = true;
      return new Promise<boolean>((resolve) => (decide = () => resolve(true)));
    };
    const nodes = await pair({ engine: { origins } });
    const connection = new RawConnection(nodes.other.port);
    const closed = new Promise((resolve) => nodes.other.server.once('connection', (one) => one.once('close', resolve)));
    connection.write(requestText('GET', targetOf(nodes.url), { origin: 'http://x.example' }));
    await until(() => judging);
    return { ...nodes, connection, closed, decide: () => decide() };
  };
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  it('is not told of when its client has left', async () => {
    const { owner, other, connection, closed, decide } = await judged();
    connection.reset();
    await closed;
    decide();
    await turn();
    expect(other.engine.stats().relay).toMatchObject({ forwarded: 0 });
    expect(owner.engine.stats().relay).toMatchObject({ received: 0 });
  });

  it('is sent elsewhere when this node has closed', async () => {
    const { other, connection, decide } = await judged();
    other.engine.close();
    decide();
    expect(await connection.until(/^HTTP\/1.1 \d+/)).toMatch(/^HTTP\/1.1 503 /);
    expect(other.engine.stats().relay).toMatchObject({ forwarded: 0 });
    connection.socket.destroy();
  });

  it('is unknown when its node has gone', async () => {
    const { owner, other, connection, decide } = await judged();
    await owner.close();
    (other.relay as unknown as { gone(id: string): void }).gone(owner.relay.id);
    decide();
    expect(await connection.until(/"code":1/)).toMatch(/^HTTP\/1.1 400 /);
    connection.socket.destroy();
  });
});

describe('a node that drains', () => {
  it('goes on handing over until its end: polls, POSTs, upgrades', async () => {
    const { other, session, url } = await pair();
    const own = await ask(`${other.url}?EIO=4&transport=polling`);
    const parked = ask(url);
    await until(() => session.transport.writable);
    void other.engine.drain({ deadline: 60_000, busy: () => new Set(other.engine.clients.values()) });
    expect((await ask(`${other.url}?EIO=4&transport=polling`)).status).toBe(503);
    await expectHealthy({ url });
    session.send('on');
    expect((await parked).text).toBe('4on');
    const connection = new RawConnection(other.port);
    connection.write(upgradeText(targetOf(url).replace('polling', 'websocket')));
    expect(await connection.until(/\r\n\r\n/)).toMatch(/^HTTP\/1.1 101 /);
    connection.socket.destroy();
    expect(own.status).toBe(200);
  });

  it('closes its own sessions that are upgrading by another node', async () => {
    // a session that is changing its transport closes when that has ended
    const { owner, other, session, url } = await pair({ engine: { upgradeTimeout: 300 } });
    // at once, and not at some moment
    const random = jest.spyOn(Math, 'random').mockReturnValue(0);
    const connection = new RawConnection(other.port);
    connection.write(upgradeText(targetOf(url).replace('polling', 'websocket')));
    await connection.until(/\r\n\r\n/);
    await until(() => session.upgrading);
    const drained = owner.engine.drain({ deadline: 60_000 });
    let status = 200;
    // as clients do, a GET after the other
    // oxlint-disable-next-line no-await-in-loop
    while (status === 200) status = (await ask(url)).status;
    await drained;
    random.mockRestore();
    expect(owner.engine.clientsCount).toBe(0);
    // it would answer the close frame
    connection.socket.destroy();
    await until(() => other.engine.stats().relay!.open === 0);
  });
});
