/*
 * For those who write another registry of nodes, another relay or another way to scale out: `nestwire/scale-out`. It needs no
 * Redis; applications that have one take `nestwire/redis`.
 */
export { MemoryNodeRegistry } from './memory-registry.js';
export type { NodeRecord, NodeRegistry } from './node-registry.js';
export { RelayNode, type RelayNodeOptions } from './relay-node.js';
export type { ScaleOut, ScaleOutHost, ScaleOutNode } from './scale-out.js';
