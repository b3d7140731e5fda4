import { describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { until } from '../support/wire-engine.js';
import { headOf, RawConnection, upgradeText } from '../support/wire-http.js';
import { useNodes, usePairs } from './support.js';

/* What stays open through another node: streams and WebSockets. */

const start = useNodes();
const pair = usePairs(start);

describe('a stream by another node', () => {
  it.each(['eventsource', 'multipart'])(
    'of %s begins at once, goes on, and ends with either side',
    async (transport) => {
      const transports = ['polling', 'eventsource', 'multipart'] as const;
      const { session, url } = await pair({ engine: { transports: [...transports] } }, transport, '&resume=1');
      const abort = new AbortController();
      const opened = new Promise<IncomingMessage>((resolve, reject) => {
        httpRequest(`${url}&resume=1`, { signal: abort.signal, agent: false })
          .on('response', resolve)
          .on('error', reject)
          .end();
      });
      const response = await opened;
      expect(response.headers['x-accel-buffering']).toBe('no');
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('error', () => {});
      await until(() => text !== '');
      const upgrading = session.upgrade!;
      expect(upgrading.candidate.name).toBe(transport);
      abort.abort();
      // the candidate hears of it
      await until(() => (upgrading.candidate as unknown as { stream: unknown }).stream === null);
    },
  );

  it('is answered as any GET to the owner: with the head that streaming has', async () => {
    const { url } = await pair({}, 'eventsource', '&resume=1');
    expect((await headOf(`${url}&resume=1`)).headers).toMatchObject({
      'content-type': 'text/event-stream; charset=UTF-8',
    });
  });
});

describe('a WebSocket by another node', () => {
  const upgradeOf = (target: string) => upgradeText(new URL(target).pathname + new URL(target).search);

  it('passes bytes on both ways, and the headers that middlewares set here', async () => {
    const { other, session, url } = await pair({}, 'websocket');
    other.engine.use((_request, response, next) => {
      response.setHeader('x-here', 'yes');
      next();
    });
    const connection = new RawConnection(other.port);
    // the probe comes with the request, as an eager client may send it; masked with zeros (RFC 6455, section 5.3)
    const probe = Buffer.from([0x81, 0x86, 0, 0, 0, 0, ...Buffer.from('2probe')]);
    connection.write(Buffer.concat([Buffer.from(upgradeOf(url)), probe]));
    const text = await connection.until(/3probe$/);
    expect(text).toMatch(
      /^HTTP\/1.1 101 Switching Protocols\r\n.*Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=.*x-here: yes\r\n\r\n/s,
    );
    connection.write(Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x35]));
    await once(session, 'upgrade');
    session.send('hello');
    await connection.until(/4hello$/);
    expect(other.engine.stats().relay).toMatchObject({ open: 1 });
    const closed = once(session, 'close');
    connection.socket.end();
    expect((await closed)[0]).toBe('transport close');
    await connection.ended;
    await until(() => other.engine.stats().relay!.open === 0);
    expect(other.engine.stats().relay!.failed).toBe(0);
  });

  it('that is cut is cut at the owner', async () => {
    const { other, session, url } = await pair({}, 'websocket');
    const connection = new RawConnection(other.port);
    connection.write(upgradeOf(url));
    await connection.until(/\r\n\r\n$/);
    await until(() => session.upgrading);
    connection.reset();
    await until(() => !session.upgrading);
  });

  it('whose request the owner refuses is told why', async () => {
    const { other, session, url } = await pair({ engine: { transports: ['polling', 'websocket'] } }, 'websocket');
    const target = new URL(url);
    const connection = new RawConnection(other.port);
    connection.write(upgradeText(`${target.pathname}${target.search}`, { 'sec-websocket-version': '7' }));
    expect(await connection.ended).toMatch(/^HTTP\/1.1 4\d\d /);
    expect(session.readyState).toBe('open');
  });

  it('does not outrun its reader: the owner feels the pressure', async () => {
    const { other, session, url } = await pair({}, 'websocket');
    const socket = connect(other.port, '127.0.0.1');
    const probe = Buffer.from([0x81, 0x86, 0, 0, 0, 0, ...Buffer.from('2probe')]);
    const upgrade = Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x35]);
    socket.write(Buffer.concat([Buffer.from(upgradeOf(url)), probe]));
    await once(socket, 'data');
    socket.write(upgrade);
    await once(session, 'upgrade');
    socket.pause();
    const large = 'x'.repeat(1_000_000);
    for (let i = 0; i < 40; i++) session.send(large);
    // were the other node to take all that comes, nothing would wait here
    await until(() => session.waitingBytes > 20_000_000);
    let before = Infinity;
    while (session.waitingBytes < before) {
      before = session.waitingBytes;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(session.waitingBytes).toBeGreaterThan(20_000_000);
    socket.destroy();
    await once(session, 'close');
  });
});
