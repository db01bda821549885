import { afterAll, beforeAll, describe, it } from 'vitest';
import { consulRecords } from '../../src/backends/consul/index.js';
import { runRecordsConformance } from '../../src/testkit/index.js';
import { ConsulServer, consulIsMissing } from '../support/consul-server.js';

describe.skipIf(consulIsMissing)('Consul', () => {
  let server: ConsulServer;
  beforeAll(async () => {
    // Records of the suite are shorter than the ten seconds that Consul keeps a session by default.
    server = await ConsulServer.start({ more: { session_ttl_min: '100ms' } });
  });
  runRecordsConformance(
    { describe, it, after: afterAll, concurrently: describe.concurrent },
    { name: 'consul', open: () => consulRecords({ addresses: [server.address] }), close: () => server.stop() },
  );
});
