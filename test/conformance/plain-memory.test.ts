import { describe, it } from 'vitest';
import { createMemoryStore, memory } from '../../src/backends/memory/index.js';
import type { Backend } from '../../src/core/backend.js';
import { runConformance, wrapped } from '../../src/testkit/index.js';

const store = createMemoryStore();

/** A store that can do no more than the contract demands: core has to poll, and every caller needs a grant of its own. */
function plain(): Backend {
  const full = memory({ store });
  const traits = { ...full.traits, shared: false, queue: false, push: false, fencesPerGrant: 1, pollMs: 50 };
  const backend = wrapped(full, {
    acquire: (call, ask) => call({ ...ask, enqueue: false, fences: 1 }),
    watch: () => () => {},
  });
  return { ...backend, traits };
}

runConformance({ describe, it, concurrently: describe.concurrent }, { name: 'plain memory', open: plain });
