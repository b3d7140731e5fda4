import { describe, expect, it } from '@jest/globals';
import { MemoryNodeRegistry } from '../../lib/scale-out/memory-registry.js';
import { until } from '../support/wire-engine.js';
import { ask, RawConnection, requestText, upgradeText } from '../support/wire-http.js';
import { UNKNOWN, useNodes, usePairs, type TestNode } from './support.js';

/* Nodes that go away while something goes through them. */

const start = useNodes();
const pair = usePairs(start);

describe('when a node goes away', () => {
  it('what waits for it here is told so at once', async () => {
    const { owner, other, session, url } = await pair();
    const answer = ask(url);
    await until(() => session.transport.writable);
    // as when it is killed: connections end, nothing is said
    await (owner.relay as unknown as { port: { close(): Promise<void> } }).port.close();
    expect(await answer).toMatchObject({ status: 400, text: JSON.stringify(UNKNOWN) });
    expect(other.engine.stats().relay).toMatchObject({ failed: 1, open: 0 });
  });

  it('a stream of it here is cut, not ended', async () => {
    const { owner, url } = await pair({}, 'eventsource', '&resume=1');
    const connection = new RawConnection(Number(new URL(url).port));
    connection.write(requestText('GET', `${new URL(url).pathname}${new URL(url).search}&resume=1`));
    await connection.until(/\n\n/);
    await (owner.relay as unknown as { port: { close(): Promise<void> } }).port.close();
    // the last chunk of a body that ended has length 0
    expect(await connection.ended).not.toMatch(/\r\n0\r\n\r\n$/);
  });

  it('whose lease ran out and who is silent, what waits for it ends', async () => {
    const registry = new MemoryNodeRegistry();
    const { session, url, owner, other } = await pair({ registry, lease: 300, renewEvery: 50 });
    const answer = ask(url);
    await until(() => session.transport.writable);
    // it hangs: its connections stay open, and it renews nothing
    clearInterval((owner.relay as unknown as { table: { timer: NodeJS.Timeout } }).table.timer);
    expect(JSON.parse((await answer).text)).toEqual(UNKNOWN);
    await until(() => other.engine.stats().relay!.nodes === 1);
  });

  it('in an orderly way, its requests are unknown elsewhere', async () => {
    const { owner, other, url } = await pair();
    await owner.close();
    expect(JSON.parse((await ask(url)).text)).toEqual(UNKNOWN);
    await until(() => other.engine.stats().relay!.nodes === 1);
  });

  it('through which a poll came, the session waits for the poll to come again', async () => {
    const { owner, other, session, sid } = await pair();
    const third = await start();
    const target = (node: TestNode) => `${node.url}?EIO=4&transport=polling&sid=${sid}&t=abc`;
    const lost = ask(target(other)).catch(() => 'lost');
    await until(() => session.transport.writable);
    other.server.closeAllConnections();
    await until(() => !session.transport.writable);
    expect(await lost).toBe('lost');
    session.send('hello');
    expect((await ask(target(third))).text).toBe('4hello');
    // and the answer is not lost if that node, too, goes away before it has passed it on
    expect((await ask(target(owner))).text).toBe('4hello');
  });
});

describe('a node that closes', () => {
  it.each(['polling', 'eventsource', 'websocket'])(
    'cuts what of %s goes through it, without a word',
    async (transport) => {
      const { other, session, url } = await pair({}, transport, '&resume=1');
      const target = new URL(`${url}&resume=1`);
      const connection = new RawConnection(other.port);
      const text = transport === 'websocket' ? upgradeText : requestText.bind(null, 'GET');
      connection.write(text(target.pathname + target.search));
      await until(() => session.transport.writable || session.upgrading);
      other.engine.close();
      expect(await connection.ended).not.toMatch(/Session ID unknown|\r\n0\r\n\r\n$/);
      expect(other.engine.stats().relay).toMatchObject({ open: 0, failed: 0 });
      expect(session.readyState).toBe('open');
      // nothing holds its HTTP server open
      await new Promise((resolve) => other.server.close(resolve));
    },
  );
});
