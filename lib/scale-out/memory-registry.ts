import type { NodeRecord, NodeRegistry } from './node-registry.js';

/** A registry for nodes of one process: for tests, and as the model of every other one. */
export class MemoryNodeRegistry implements NodeRegistry {
  private readonly nodes = new Map<string, { readonly record: NodeRecord; readonly until: number }>();

  async renew(node: NodeRecord, lease: number): Promise<readonly NodeRecord[]> {
    const now = performance.now();
    this.nodes.set(node.id, { record: node, until: now + lease });
    for (const [id, { until }] of this.nodes) if (until <= now) this.nodes.delete(id);
    return [...this.nodes.values()].map(({ record }) => record);
  }

  async remove(id: string): Promise<void> {
    this.nodes.delete(id);
  }
}
