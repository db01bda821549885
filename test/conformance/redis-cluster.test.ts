import { afterAll, beforeAll, describe, it } from 'vitest';
import { runConformance } from '../../src/testkit/index.js';
import { openRedis } from '../support/redis-clients.js';
import { RedisCluster } from '../support/redis-cluster.js';
import { assertKeyspaceClean } from '../support/redis-keyspace.js';
import { redisIsMissing } from '../support/redis-server.js';

describe.skipIf(redisIsMissing)('three masters', () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await RedisCluster.start();
  });
  afterAll(() => cluster?.stop());
  describe.each(['ioredis 5', 'node-redis 5'])('%s', (library) => {
    runConformance(
      { describe, it, after: afterAll, concurrently: describe.concurrent },
      {
        name: `redis cluster (${library})`,
        open: () => openRedis(library, cluster.url),
        forgetEverything: () => cluster.flush(),
        async close() {
          for (const node of cluster.masters) await assertKeyspaceClean(node);
          await cluster.flush();
        },
      },
    );
  });
});
