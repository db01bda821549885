import { afterAll, beforeAll, describe, it } from 'vitest';
import { redis } from '../../src/backends/redis/index.js';
import { runConformance } from '../../src/testkit/index.js';
import { clients, type Opened } from '../support/redis-clients.js';
import { assertKeyspaceClean } from '../support/redis-keyspace.js';
import { RedisSentinels, sentinelIsMissing } from '../support/redis-sentinel.js';

describe.skipIf(sentinelIsMissing)('a master, two replicas, three sentinels', () => {
  let servers: RedisSentinels;
  beforeAll(async () => {
    servers = await RedisSentinels.start();
  });
  afterAll(() => servers?.stop());
  describe.each(['ioredis 5', 'node-redis 5'])('%s', (library) => {
    // One client for all backends: to make one costs node-redis 150 ms of processor time, and the suite makes hundreds.
    let opened: Opened | undefined;
    beforeAll(async () => {
      opened = await clients[library]?.(servers.url);
    });
    runConformance(
      { describe, it, after: afterAll, concurrently: describe.concurrent },
      {
        name: `redis sentinel (${library})`,
        open: () => redis((opened as Opened).client),
        forgetEverything: async () => void (await servers.master.command('FLUSHALL')),
        async close() {
          opened?.end();
          await assertKeyspaceClean(servers.master);
          await servers.master.command('FLUSHALL');
        },
      },
    );
  });
});
