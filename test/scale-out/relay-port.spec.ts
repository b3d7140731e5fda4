import { describe, expect, it } from '@jest/globals';
import { createServer } from 'node:http';
import { connect, createServer as createTcpServer, type AddressInfo } from 'node:net';
import { Engine } from 'nestwire/engine';
import { MemoryNodeRegistry } from '../../lib/scale-out/memory-registry.js';
import { RelayNode } from '../../lib/scale-out/relay-node.js';
import { SessionIds } from '../../lib/scale-out/session-ids.js';
import { listening, stop, until } from '../support/wire-engine.js';
import { ask, RawConnection, upgradeText } from '../support/wire-http.js';
import { post, relayPortOf, SECRET, startNode, UNKNOWN, useNodes, usePairs } from './support.js';

/* The port between nodes, and nodes that are not ready. */

const start = useNodes();
const pair = usePairs(start);

describe('the relay port', () => {
  it('takes nothing that is not signed', async () => {
    const { owner, sid } = await pair();
    const url = `http://127.0.0.1:${relayPortOf(owner)}/engine.io/?EIO=4&transport=polling&sid=${sid}`;
    for (const headers of [{}, { 'nestwire-relay': 'a 1 allowed main 127.0.0.1 mac' }]) {
      expect(await post(url, '4x', headers as Record<string, string>)).toMatchObject({ status: 403, text: '' });
    }
    expect(owner.engine.stats().relay).toMatchObject({ received: 0, refused: 2 });
    expect(owner.lines).toHaveLength(1);
    expect(owner.lines[0]).toMatch('127.0.0.1');
  });

  it('takes no upgrade that is not signed', async () => {
    const { owner, sid } = await pair();
    const connection = new RawConnection(relayPortOf(owner));
    connection.write(upgradeText(`/engine.io/?EIO=4&transport=websocket&sid=${sid}`));
    expect(await connection.ended).toMatch(/^HTTP\/1.1 403 /);
  });

  it('takes nothing twice: what was seen on the wire is worth nothing', async () => {
    const { owner, other, session, sid } = await pair();
    const received: unknown[] = [];
    session.on('message', (data) => received.push(data));
    const port = relayPortOf(owner);
    // somebody between the nodes who keeps what passes
    const seen: Buffer[] = [];
    const tap = createTcpServer((socket) => {
      const onward = connect(port, '127.0.0.1');
      socket.on('data', (chunk: Buffer) => seen.push(chunk));
      socket.pipe(onward).pipe(socket);
      socket.on('error', () => onward.destroy());
      onward.on('error', () => socket.destroy());
    });
    await new Promise<void>((resolve) => tap.listen(0, '127.0.0.1', resolve));
    const { registry } = (owner.relay as unknown as { options: { registry: MemoryNodeRegistry } }).options;
    await registry.renew({ id: owner.relay.id, address: `127.0.0.1:${(tap.address() as AddressInfo).port}` }, 60_000);
    const table = (other.relay as unknown as { table: { ask(): Promise<void> } }).table;
    await table.ask();
    await post(`${other.url}?EIO=4&transport=polling&sid=${sid}`, '4once');
    expect(Buffer.concat(seen).toString()).toMatch('nestwire-relay');
    const replay = new RawConnection(port);
    replay.write(Buffer.concat(seen));
    expect(await replay.ended).toMatch(/^HTTP\/1.1 403 /);
    expect(received).toEqual(['once']);
    tap.close();
  });

  it('is told by a client’s own header nothing', async () => {
    const { owner, session, url } = await pair();
    session.on('message', () => {});
    expect((await post(url, '4x', { 'nestwire-relay': 'made up' })).status).toBe(200);
    expect(owner.engine.stats().relay).toMatchObject({ received: 1, refused: 0 });
  });

  it('of a node with another secret refuses, and both logs tell', async () => {
    const registry = new MemoryNodeRegistry();
    const [one, other] = [await start({ registry }), await start({ registry, secret: `another ${SECRET}` })];
    const { text } = await ask(`${one.url}?EIO=4&transport=polling`);
    const { sid } = JSON.parse(text.slice(1)) as { sid: string };
    // it cannot even read the id
    expect(JSON.parse((await ask(`${other.url}?EIO=4&transport=polling&sid=${sid}`)).text)).toEqual(UNKNOWN);
    expect(one.engine.stats().relay!.refused).toBe(0);
  });

  it('has no handshake', async () => {
    const { owner, other } = await pair();
    // signed, as only a node can, but without a session
    const server = createServer((request, response) => {
      const remote = (other.relay as unknown as { ownerOf(server: string, sid: string): never }).ownerOf(
        'main',
        new SessionIds(owner.relay.id, SECRET).make('x'),
      ) as { forward(...args: unknown[]): void };
      remote.forward(request, response, { address: '127.0.0.1', isOriginAllowed: true });
    });
    const port = await listening(server);
    const answer = await ask(`http://127.0.0.1:${port}/engine.io/?EIO=4&transport=polling`);
    expect(JSON.parse(answer.text)).toMatchObject({ code: 3 });
    expect(owner.engine.clientsCount).toBe(1);
    await stop(server);
  });
});

describe('a node that is not ready', () => {
  it('lets nobody in before others can find it', async () => {
    let tell: (secret: string) => void = () => {};
    const secret = new Promise<string>((resolve) => (tell = resolve));
    const starting = start({ secret });
    tell(SECRET);
    const node = await starting;
    const { text } = await ask(`${node.url}?EIO=4&transport=polling`);
    expect(text).toMatch(new RegExp(`"sid":"${node.relay.id}`));
  });

  it('answers 503 when it cannot become ready', async () => {
    const server = createServer();
    const registry = new MemoryNodeRegistry();
    const starting = startNode({ registry, secret: Promise.reject(new Error('no secret')), attached: { server } });
    await expect(starting).rejects.toThrow('no secret');
    const engine = new Engine();
    engine.relay = {
      sessionId: () => starting.then(() => ''),
      ownerOf: () => undefined,
      isCutOff: () => false,
      close() {},
      stats: () => ({}) as never,
    };
    engine.attach(server);
    const port = await listening(server);
    const answer = await ask(`http://127.0.0.1:${port}/engine.io/?EIO=4&transport=polling`);
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    engine.close();
    await stop(server);
  });

  it('fails to start without a registry', async () => {
    const registry = new MemoryNodeRegistry();
    registry.renew = () => Promise.reject(new Error('no registry'));
    await expect(start({ registry })).rejects.toThrow('no registry');
  });

  it('lets clients in all the same when it may, and they are at home here only', async () => {
    let tell: (secret: string) => void = () => {};
    const secret = new Promise<string>((resolve) => (tell = resolve));
    const registry = new MemoryNodeRegistry();
    const other = await start({ registry });
    const node = await start({ registry, secret, mayDegrade: true });
    const open = async () => {
      const { text } = await ask(`${node.url}?EIO=4&transport=polling`);
      return (JSON.parse(text.slice(1)) as { sid: string }).sid;
    };
    const early = await open();
    const query = (sid: string) => `?EIO=4&transport=polling&sid=${sid}`;
    expect((await post(node.url + query(early), '4x')).status).toBe(200);
    expect(JSON.parse((await post(other.url + query(early), '4x')).text)).toEqual(UNKNOWN);
    tell(SECRET);
    await until(() => node.relay.stats().nodes === 2);
    const later = await open();
    expect((await post(other.url + query(later), '4x')).status).toBe(200);
    // those that came before stay
    expect((await post(node.url + query(early), '4x')).status).toBe(200);
  });

  it('closes before it has started', async () => {
    const relay = new RelayNode({ registry: new MemoryNodeRegistry(), secret: new Promise(() => {}), log() {} });
    await relay.close();
    expect(relay.stats()).toMatchObject({ nodes: 0, isRegistryReachable: false });
  });
});
