import { describe } from 'vitest';
import { clients } from '../support/redis-clients.js';
import { conformsOnOneServer } from '../support/redis-conformance.js';
import { RedisServer, redisIsMissing } from '../support/redis-server.js';

for (const library of Object.keys(clients)) {
  describe.skipIf(redisIsMissing)(library, () => {
    conformsOnOneServer('redis', library, () => RedisServer.start());
  });
}
