import { describe, expect, it } from '@jest/globals';
import type { NodeRegistry } from '../../lib/scale-out/node-registry.js';

/** Lease, in milliseconds, that no test outlives. */
const LONG = 60_000;

/**
 * What every registry has to do.
 *
 * @param open gives another view of one and the same registry at each call within a test, empty at the first.
 */
export function describeRegistry(name: string, open: () => NodeRegistry | Promise<NodeRegistry>): void {
  describe(`${name}, a registry of nodes`, () => {
    const a = { id: 'node-a', address: '127.0.0.1:1' };
    const b = { id: 'node-b', address: '[::1]:2' };

    it('gives all nodes that were entered, by whomever', async () => {
      const [one, other] = [await open(), await open()];
      expect(await one.renew(a, LONG)).toEqual([a]);
      expect(new Set(await other.renew(b, LONG))).toEqual(new Set([a, b]));
      expect(new Set(await one.renew(a, LONG))).toEqual(new Set([a, b]));
    });

    it('gives a node once however often it is renewed, and its last address', async () => {
      const registry = await open();
      await registry.renew(a, LONG);
      const moved = { ...a, address: '127.0.0.1:9' };
      expect(await registry.renew(moved, LONG)).toEqual([moved]);
    });

    it('lets go of a node that is not renewed', async () => {
      const registry = await open();
      await registry.renew(a, 1);
      let nodes = await registry.renew(b, LONG);
      while (nodes.length > 1) nodes = await registry.renew(b, LONG);
      expect(nodes).toEqual([b]);
    });

    it('keeps a node that is renewed', async () => {
      const registry = await open();
      await registry.renew(a, 1);
      await registry.renew(a, LONG);
      expect(new Set(await registry.renew(b, LONG))).toEqual(new Set([a, b]));
    });

    it('lets go of a node that leaves, and of none that it does not know', async () => {
      const registry = await open();
      await registry.renew(a, LONG);
      await registry.remove(a.id);
      await registry.remove('nobody');
      expect(await registry.renew(b, LONG)).toEqual([b]);
    });
  });
}
