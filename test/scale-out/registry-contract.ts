import { expect, it } from '@jest/globals';
import type { NodeRegistry } from '../../lib/scale-out/node-registry.js';

/** Two views of one registry, as two nodes have them. */
export interface RegistryViews {
  readonly here: NodeRegistry;
  readonly there: NodeRegistry;
}

const A = { id: 'a', address: '10.0.0.1:4001' };
const B = { id: 'b', address: '[fd00::2]:4002' };
const LONG = 60_000;

/** What every registry of nodes does. To be called within `describe`. */
export function registryContract(views: () => RegistryViews): void {
  const byId = (nodes: readonly { id: string }[]): unknown[] => nodes.toSorted((a, b) => (a.id < b.id ? -1 : 1));

  it('gives a node itself', async () => {
    expect(await views().here.renew(A, LONG)).toEqual([A]);
  });

  it('gives all nodes, whichever entered first', async () => {
    const { here, there } = views();
    await here.renew(A, LONG);
    expect(byId(await there.renew(B, LONG))).toEqual([A, B]);
    expect(byId(await here.renew(A, LONG))).toEqual([A, B]);
  });

  it('has one entry for a node, however often it is renewed, with its latest address', async () => {
    const { here } = views();
    await here.renew(A, LONG);
    await here.renew(A, LONG);
    const moved = { ...A, address: '10.0.0.9:4001' };
    expect(await here.renew(moved, LONG)).toEqual([moved]);
  });

  it('forgets a node whose lease has run out', async () => {
    const { here, there } = views();
    await here.renew(A, 1);
    let nodes: readonly unknown[];
    // oxlint-disable-next-line no-await-in-loop
    do nodes = await there.renew(B, LONG);
    while (nodes.length > 1);
    expect(nodes).toEqual([B]);
    expect(byId(await here.renew(A, LONG))).toEqual([A, B]);
  });

  it('keeps a node whose lease is renewed, also after one that was shorter', async () => {
    const { here, there } = views();
    await here.renew(A, 1);
    await here.renew(A, LONG);
    await there.renew(B, 1);
    expect(await there.renew(A, LONG)).toContainEqual(A);
  });

  it('forgets a node that is taken out, and copes with one that is not there', async () => {
    const { here, there } = views();
    await here.renew(A, LONG);
    await there.renew(B, LONG);
    await here.remove('a');
    await here.remove('nobody');
    expect(await there.renew(B, LONG)).toEqual([B]);
  });
}
