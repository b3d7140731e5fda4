import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { io } from 'socket.io-client';
import { Cluster } from './support.js';

let cluster: Cluster;

beforeEach(async () => {
  cluster = await Cluster.start();
}, 60_000);

afterEach(() => cluster?.close());

describe('a node that hangs', () => {
  it('is given up when its lease has run out, and taken again when it goes on', async () => {
    const polling = (url: string) => io(url, { forceNew: true, transports: ['polling'] });
    await cluster.openMany(12, polling);
    const [hung, other] = cluster.nodes as [(typeof cluster.nodes)[0], (typeof cluster.nodes)[0]];
    const nodes = async () => (await other.stats()).relay.nodes;
    expect(await nodes()).toBe(3);
    hung.signal('SIGSTOP');
    try {
      // oxlint-disable-next-line no-await-in-loop
      while ((await nodes()) > 2);
    } finally {
      hung.signal('SIGCONT');
    }
    // oxlint-disable-next-line no-await-in-loop
    while ((await nodes()) < 3);
  });
});
