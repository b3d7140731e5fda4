import { beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import type { Session } from 'nestwire/engine';
import { until } from '../support/wire-engine.js';
import { ask, headOf, RawConnection, upgradeText } from '../support/wire-http.js';
import { CuttableRegistry, post, relayServerOf, targetOf, useNodes, type TestNode } from './support.js';

/* Nodes of which one cannot reach the registry. */

const start = useNodes();
let registry: CuttableRegistry;

beforeEach(() => {
  registry = new CuttableRegistry();
});

const handshake = (node: TestNode, transport = 'polling') => `${node.url}?EIO=4&transport=${transport}`;
const relayOf = (node: TestNode) => node.engine.stats().relay!;

/** Nodes that know each other. */
async function several(count = 2, more: object = {}): Promise<TestNode[]> {
  const nodes = await Promise.all(Array.from({ length: count }, () => start({ registry, renewEvery: 20, ...more })));
  await until(() => nodes.every((node) => relayOf(node).nodes === count));
  return nodes;
}

/** Cuts a node off, and waits until it is known that another one is not. */
async function cutOff(node: TestNode): Promise<void> {
  registry.cut.add(node.relay.id);
  await until(() => relayOf(node).isCutOff);
}

/** Cuts a node off, and waits until it has asked another one some times. */
async function cutAndAsked(node: TestNode, other: TestNode): Promise<void> {
  let asked = 0;
  relayServerOf(other).on('request', () => asked++);
  registry.cut.add(node.relay.id);
  await until(() => asked > 3);
}

const REFUSED = { code: 106, message: 'Server is cut off from the others' };

describe('a node that cannot reach the registry while another one can', () => {
  it.each(['polling', 'eventsource'])('refuses new sessions over %s', async (transport) => {
    const [cut, whole] = (await several()) as [TestNode, TestNode];
    await cutOff(cut);
    const { status, headers, text } = await ask(handshake(cut, transport));
    expect(status).toBe(503);
    expect(headers['retry-after']).toBe('1');
    expect(JSON.parse(text)).toEqual(REFUSED);
    expect((await headOf(handshake(whole, transport))).status).toBe(200);
    expect(cut.engine.clientsCount).toBe(0);
  });

  it('refuses new WebSockets, before they are one', async () => {
    const [cut] = (await several()) as [TestNode];
    await cutOff(cut);
    const connection = new RawConnection(cut.port).write(upgradeText(targetOf(handshake(cut, 'websocket'))));
    const answer = await connection.ended;
    expect(answer).toMatch(/^HTTP\/1\.1 503 /);
    expect(answer).toMatch(/\r\nRetry-After: 1\r\n/);
  });

  it('serves the sessions that it has: polls, POSTs, upgrades, directly and by the other one', async () => {
    const [cut, whole] = (await several()) as [TestNode, TestNode];
    const opened = once(cut.engine, 'connection') as Promise<[Session]>;
    await ask(handshake(cut));
    const [session] = await opened;
    await cutOff(cut);
    for (const node of [cut, whole]) {
      const url = `${handshake(node)}&sid=${session.id}`;
      const said = once(session, 'message');
      // oxlint-disable-next-line no-await-in-loop
      expect((await post(url, '4up')).status).toBe(200);
      // oxlint-disable-next-line no-await-in-loop
      expect((await said)[0]).toBe('up');
      session.send('down');
      // oxlint-disable-next-line no-await-in-loop
      expect((await ask(url)).text).toBe('4down');
    }
    const target = targetOf(`${handshake(cut, 'websocket')}&sid=${session.id}`);
    const connection = new RawConnection(cut.port).write(upgradeText(target));
    await connection.until(/^HTTP\/1\.1 101 /);
    connection.reset();
  });

  it('brings what it gets to the other one still', async () => {
    const [cut, whole] = (await several()) as [TestNode, TestNode];
    await cutOff(cut);
    const opened = once(whole.engine, 'connection') as Promise<[Session]>;
    await ask(handshake(whole));
    const [session] = await opened;
    expect((await post(`${handshake(cut)}&sid=${session.id}`, '4x')).status).toBe(200);
  });

  it('lets clients in again when the registry answers, and has said each change once', async () => {
    const [cut, whole] = (await several()) as [TestNode, TestNode];
    await cutOff(cut);
    for (let i = 0; i < 3; i++) {
      // oxlint-disable-next-line no-await-in-loop
      expect((await ask(handshake(cut))).status).toBe(503);
    }
    expect(relayOf(cut)).toMatchObject({ isRegistryReachable: false, isCutOff: true, nodes: 2 });
    expect(relayOf(whole)).toMatchObject({ isRegistryReachable: true, isCutOff: false });
    registry.cut.clear();
    await until(() => relayOf(cut).isRegistryReachable);
    expect((await ask(handshake(cut))).status).toBe(200);
    expect(relayOf(cut).isCutOff).toBe(false);
    expect(cut.lines).toEqual([
      expect.stringMatching('cannot be reached: no route to host'),
      expect.stringMatching(/new clients are refused here/),
      expect.stringMatching('can be reached again'),
      expect.stringMatching('let in again'),
    ]);
    expect(whole.lines).toEqual([]);
  });

  it('does not log every refusal', async () => {
    const logged: string[] = [];
    const engine = { logger: (line: string) => void logged.push(line) };
    const [cut] = (await several(2, { engine })) as [TestNode];
    await cutOff(cut);
    await ask(handshake(cut));
    expect(logged).toEqual([]);
  });
});

describe('a node that cannot reach the registry lets clients in', () => {
  it('when nobody can', async () => {
    const nodes = await several(3);
    let asked = 0;
    for (const node of nodes) relayServerOf(node).on('request', () => asked++);
    registry.isDown = true;
    await until(() => nodes.every((node) => !relayOf(node).isRegistryReachable) && asked > 20);
    for (const node of nodes) {
      // oxlint-disable-next-line no-await-in-loop
      expect((await ask(handshake(node))).status).toBe(200);
      expect(node.lines).toEqual([expect.stringMatching('cannot be reached')]);
    }
  });

  it('when the last one that could cannot any more, and one of them always does on the way there', async () => {
    const nodes = (await several(3)) as [TestNode, TestNode, TestNode];
    for (const node of nodes) {
      registry.cut.add(node.relay.id);
      if (node !== nodes[2]) {
        // oxlint-disable-next-line no-await-in-loop
        await until(() => relayOf(node).isCutOff);
        continue;
      }
      // the last one never is
      // oxlint-disable-next-line no-await-in-loop
      await until(() => {
        expect(relayOf(node).isCutOff).toBe(false);
        return nodes.every((one) => !relayOf(one).isCutOff && !relayOf(one).isRegistryReachable);
      });
    }
    for (const node of nodes) {
      // oxlint-disable-next-line no-await-in-loop
      expect((await ask(handshake(node))).status).toBe(200);
    }
    expect(nodes[0].lines.at(-1)).toMatch('no other node is known');
  });

  it('when it is alone', async () => {
    const [alone] = (await several(1)) as [TestNode];
    registry.isDown = true;
    await until(() => !relayOf(alone).isRegistryReachable);
    expect((await ask(handshake(alone))).status).toBe(200);
  });

  it('when the other one has gone', async () => {
    const [cut, whole] = (await several()) as [TestNode, TestNode];
    await cutOff(cut);
    await whole.relay.close();
    await until(() => !relayOf(cut).isCutOff);
    expect((await ask(handshake(cut))).status).toBe(200);
  });

  it('when the other one is leaving', async () => {
    const [cut, whole] = (await several()) as [TestNode, TestNode];
    await whole.engine.drain({ deadline: 1_000 });
    await cutAndAsked(cut, whole);
    expect((await ask(handshake(cut))).status).toBe(200);
  });

  it('when the other one is full', async () => {
    const [cut, whole] = (await several(2, { engine: { limits: { maxSessions: 1 } } })) as [TestNode, TestNode];
    await ask(handshake(whole));
    await cutAndAsked(cut, whole);
    expect((await ask(handshake(cut))).status).toBe(200);
  });

  it('when what answers at the address of the other one has another secret', async () => {
    const [cut] = (await several(1)) as [TestNode];
    const stranger = await start({ registry, renewEvery: 20, secret: 'another secret of 32 characters or more' });
    await until(() => relayOf(cut).nodes === 2);
    await cutAndAsked(cut, stranger);
    expect((await ask(handshake(cut))).status).toBe(200);
  });
});
