import { afterAll, beforeAll, describe, it } from 'vitest';
import { consul } from '../../src/backends/consul/index.js';
import { runConformance } from '../../src/testkit/index.js';
import { ConsulServer, consulIsMissing } from '../support/consul-server.js';

describe.skipIf(consulIsMissing)('Consul', () => {
  let server: ConsulServer;
  beforeAll(async () => {
    server = await ConsulServer.start();
  });
  runConformance(
    { describe, it, after: afterAll, concurrently: describe.concurrent },
    {
      name: 'consul',
      open: () => consul({ addresses: [server.address] }),
      // Without a folder an agent starts with nothing, and counts from 1.
      async forgetEverything() {
        await server.kill();
        server.launch();
        await server.ready();
      },
      close: () => server.stop(),
    },
  );
});
