import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { io, type Socket } from 'socket.io-client';
import { Cluster, type NodeProcess } from './support.js';

const CLIENTS = 20;

/** A client that sends one message after the other, each until it is acknowledged. */
class Worker {
  readonly sent: string[] = [];
  readonly answered: unknown[] = [];
  readonly failures: unknown[] = [];
  private isStopped = false;
  private readonly done: Promise<void>;

  constructor(
    private readonly client: Socket,
    private readonly name: string,
  ) {
    this.done = this.run();
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    await this.done;
  }

  private async run(): Promise<void> {
    for (let n = 0; !this.isStopped; n++) {
      const id = `${this.name}-${n}`;
      this.sent.push(id);
      try {
        this.answered.push(await this.client.emitWithAck('work', id));
      } catch (error) {
        this.failures.push(error);
      }
    }
  }
}

/** @param transports of the clients. */
export function describeRolling(who: string, transports: string[]): void {
  describe('a rolling deploy', () => {
    let cluster: Cluster;

    beforeAll(async () => {
      cluster = await Cluster.start({ drain: 3_000 });
    }, 60_000);

    afterAll(() => cluster?.close());

    it(`of three nodes, one after another under load: no message of ${who} is missing`, async () => {
      const make = (url: string) =>
        io(url, { forceNew: true, transports, retries: 100, ackTimeout: 5_000, reconnectionDelay: 100 });
      const clients = await cluster.openMany(CLIENTS, make);
      const workers = clients.map((client, index) => new Worker(client, `client-${index}`));
      const gone: NodeProcess[] = [];
      for (const index of [0, 1, 2]) {
        const old = cluster.nodes[index]!;
        await old.end('SIGTERM');
        gone.push(old);
        await cluster.replace(index);
      }
      await Promise.all(workers.map((worker) => worker.stop()));
      const sent = workers.flatMap((worker) => worker.sent);
      const handled = [...gone, ...cluster.nodes].flatMap((node) => node.handled());
      expect(workers.flatMap((worker) => worker.failures)).toEqual([]);
      // answered once each, in order
      for (const { sent: ids, answered } of workers) expect(answered).toEqual(ids);
      // handled at least once, and by its id exactly once
      expect(new Set(handled)).toEqual(new Set(sent));
      expect(sent.length).toBeGreaterThan(CLIENTS * 10);
      // all of the first three have ended by themselves, with their clients gone before
      for (const node of gone) expect(node.lines.filter((line) => line.startsWith('stderr'))).toEqual([]);
    });
  });
}
