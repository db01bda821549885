import { describe, it } from 'vitest';
import { createMemoryStore, memory } from '../../src/backends/memory/index.js';
import { runRecordsConformance } from '../../src/testkit/index.js';

const store = createMemoryStore();

runRecordsConformance(
  { describe, it, concurrently: describe.concurrent },
  {
    name: 'memory',
    open() {
      const backend = memory({ store });
      const records = backend.records?.();
      if (records === undefined) throw new Error('this backend has records');
      return { ...records, close: () => backend.close() };
    },
  },
);
