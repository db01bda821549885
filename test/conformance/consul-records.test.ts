import { afterAll, beforeAll, describe, it } from 'vitest';
import { consulRecords } from '../../src/backends/consul/index.js';
import { runRecordsConformance } from '../../src/testkit/index.js';
import { consulIsMissing, type SomeConsul, startSomeConsul } from '../support/consul-server.js';

let server: SomeConsul;
beforeAll(async () => {
  // Records of the suite are shorter than the ten seconds that Consul keeps a session by default.
  server = await startSomeConsul(100);
});
runRecordsConformance(
  { describe, it, after: afterAll, concurrently: describe.concurrent },
  {
    name: consulIsMissing ? 'consul (on what stands for it)' : 'consul',
    open: () => consulRecords({ addresses: [server.address] }),
    close: () => server.stop(),
  },
);
