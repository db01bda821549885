import { describe } from 'vitest';
import { isMissing } from '../support/missing.js';
import { conformsOnOneServer } from '../support/redis-conformance.js';
import { RedisServer, serverArgs } from '../support/redis-server.js';

const program = 'valkey-server';
const valkeyIsMissing = isMissing(program, 'apt-get install valkey-server');

for (const library of ['ioredis 5', 'node-redis 5']) {
  describe.skipIf(valkeyIsMissing)(library, () => {
    conformsOnOneServer('valkey', library, () => RedisServer.launch({ program, args: serverArgs }));
  });
}
