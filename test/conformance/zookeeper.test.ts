import { afterAll, beforeAll, describe, it } from 'vitest';
import { runConformance } from '../../src/testkit/index.js';
import { assertTreeClean, openZooKeeper } from '../support/zookeeper-clients.js';
import { ZooKeeperServer, zookeeperIsMissing } from '../support/zookeeper-server.js';

describe.skipIf(zookeeperIsMissing)('zookeeper', () => {
  let server: ZooKeeperServer;
  beforeAll(async () => {
    server = await ZooKeeperServer.start();
  });
  runConformance(
    { describe, it, after: afterAll, concurrently: describe.concurrent },
    {
      name: 'zookeeper',
      open: () => openZooKeeper(server.address),
      async close() {
        try {
          await assertTreeClean(server.address);
        } finally {
          await server.stop();
        }
      },
    },
  );
});
