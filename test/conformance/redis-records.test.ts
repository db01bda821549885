import { afterAll, beforeAll, describe, it } from 'vitest';
import { redisRecords } from '../../src/backends/redis/index.js';
import { runRecordsConformance } from '../../src/testkit/index.js';
import { clients } from '../support/redis-clients.js';
import { RedisCluster } from '../support/redis-cluster.js';
import { RedisServer, redisIsMissing } from '../support/redis-server.js';

const stores = { standalone: () => RedisServer.start(), cluster: () => RedisCluster.start() };

for (const [kind, start] of Object.entries(stores)) {
  describe.skipIf(redisIsMissing)(kind, () => {
    let store: RedisServer | RedisCluster;
    beforeAll(async () => {
      store = await start();
    });
    afterAll(() => store?.stop());
    describe.each(Object.keys(clients))('%s', (library) => {
      runRecordsConformance(
        { describe, it, after: afterAll, concurrently: describe.concurrent },
        {
          name: `redis ${kind} (${library})`,
          async open() {
            const { client, end } = await (clients[library] as (typeof clients)[string])(store.url);
            const records = redisRecords(client);
            return {
              ...records,
              close: async () => {
                await records.close();
                end();
              },
            };
          },
        },
      );
    });
  });
}
