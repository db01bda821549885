import { performance } from 'node:perf_hooks';
import { describe, it } from 'vitest';
import { MemoryStore, memory } from '../../src/backends/memory/index.js';
import { runConformance } from '../../src/testkit/index.js';

const store = new MemoryStore({
  nowMs: () => performance.now(),
  wallUs: () => BigInt(Math.floor((performance.timeOrigin + performance.now()) * 1_000)),
});

runConformance(
  { describe, it, concurrently: describe.concurrent },
  { name: 'memory', open: () => memory({ store }), forgetEverything: () => store.forgetEverything() },
);
