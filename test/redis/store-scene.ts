import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import type { Backend } from '../../src/core/backend.js';
import { openRedis } from '../support/redis-clients.js';
import { assertKeyspaceClean } from '../support/redis-keyspace.js';
import { RedisServer } from '../support/redis-server.js';

interface StoreScene {
  readonly server: RedisServer;
  /** Opened anew for each test. */
  readonly store: Backend;
}

/** One server for the tests of a block, which must each leave nothing in it. */
export function storeScene(): StoreScene {
  let server: RedisServer;
  let store: Backend;
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    store = await openRedis('ioredis 5', server.url);
  });
  afterEach(async () => {
    await server.command('CONFIG', 'SET', 'maxmemory', '0');
    await store.close();
    try {
      await assertKeyspaceClean(server);
    } finally {
      await server.command('FLUSHALL');
    }
  });
  return {
    get server() {
      return server;
    },
    get store() {
      return store;
    },
  };
}
