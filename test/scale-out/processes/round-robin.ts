import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect, type ConnectOptions } from 'nestwire/client';
import { io, type Socket } from 'socket.io-client';
import { Cluster } from './support.js';

const stock = (options: object) => (url: string) => io(url, { forceNew: true, reconnection: false, ...options });
const own = (options: ConnectOptions) => (url: string) =>
  connect(url, { forceNew: true, reconnection: false, ...options });

/** Three node processes behind a real nginx without stickiness; what clients of all kinds notice of it: nothing. */
export function describeRoundRobin(clientCount: number, ackCount: number): void {
  describe('three processes behind a balancer that is not sticky', () => {
    let cluster: Cluster;

    beforeAll(async () => {
      cluster = await Cluster.start();
    }, 60_000);

    afterAll(() => cluster?.close());

    it.each<[string, (url: string) => Socket]>([
      ['stock clients that poll', stock({ transports: ['polling'] })],
      ['stock clients as they are', stock({})],
      ['our clients over EventSource', own({ transports: ['eventsource'] })],
      ['our clients over multipart', own({ transports: ['multipart'] })],
    ])(`serve ${clientCount} %s: ${ackCount} acks each, in order, and nobody is disconnected`, async (_name, make) => {
      const before = await Promise.all(cluster.nodes.map((node) => node.stats()));
      const clients = await cluster.openMany(clientCount, make);
      const lost: string[] = [];
      for (const client of clients) client.on('disconnect', (reason) => lost.push(reason));
      const answers = await Promise.all(
        clients.map(async (client) => {
          const seen: unknown[] = [];
          for (let n = 0; n < ackCount; n++) seen.push(await client.emitWithAck('count', n));
          return seen;
        }),
      );
      const inOrder = Array.from({ length: ackCount }, (_, n) => [n, n]);
      for (const seen of answers) expect(seen).toEqual(inOrder);
      expect(lost).toEqual([]);
      const after = await Promise.all(cluster.nodes.map((node) => node.stats()));
      expect(after.reduce((sum, { sessions }) => sum + sessions, 0)).toBe(clientCount);
      for (const [index, { sessions, relay }] of after.entries()) {
        expect(sessions).toBeGreaterThan(0);
        expect(relay.failed).toBe(0);
        // every node had to do with sessions of others
        expect(relay.forwarded).toBeGreaterThan(before[index]!.relay.forwarded);
        expect(relay.received).toBeGreaterThan(before[index]!.relay.received);
      }
      cluster.hangUp();
      let left = await Promise.all(cluster.nodes.map((node) => node.stats()));
      while (left.some(({ sessions }) => sessions > 0)) {
        left = await Promise.all(cluster.nodes.map((node) => node.stats()));
      }
    });

    it('have a broadcast of one node reach clients of all', async () => {
      const clients = await cluster.openMany(9, stock({ transports: ['polling'] }));
      const received = clients.map((client) => new Promise((resolve) => client.once('said', resolve)));
      clients[0]!.emit('broadcast', 'to everybody');
      expect(await Promise.all(received)).toEqual(clients.map(() => 'to everybody'));
      const pids = new Set(await Promise.all(clients.map((client) => client.emitWithAck('who'))));
      expect(pids).toEqual(new Set(cluster.nodes.map(({ pid }) => pid)));
    });
  });
}
