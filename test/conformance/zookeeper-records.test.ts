import { afterAll, beforeAll, describe, it } from 'vitest';
import { zookeeperRecords } from '../../src/backends/zookeeper/index.js';
import { runRecordsConformance } from '../../src/testkit/index.js';
import { clientsOf } from '../support/zookeeper-clients.js';
import { ZooKeeperServer, zookeeperIsMissing } from '../support/zookeeper-server.js';

describe.skipIf(zookeeperIsMissing)('records in zookeeper', () => {
  let server: ZooKeeperServer;
  beforeAll(async () => {
    server = await ZooKeeperServer.start();
  });
  runRecordsConformance(
    { describe, it, after: afterAll, concurrently: describe.concurrent },
    { name: 'zookeeper', open: () => zookeeperRecords(clientsOf(server.address)), close: () => server.stop() },
  );
});
