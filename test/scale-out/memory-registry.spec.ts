import { beforeEach } from '@jest/globals';
import { MemoryNodeRegistry } from '../../lib/scale-out/memory-registry.js';
import { describeRegistry } from './registry-contract.js';

let registry: MemoryNodeRegistry;

beforeEach(() => {
  registry = new MemoryNodeRegistry();
});

describeRegistry('MemoryNodeRegistry', () => registry);
