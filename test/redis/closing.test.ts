import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { redisFromUrl } from '../../src/backends/redis/index.js';
import { ask } from '../support/asks.js';
import { RedisCluster } from '../support/redis-cluster.js';
import { RedisServer, redisIsMissing } from '../support/redis-server.js';

describe.skipIf(redisIsMissing)('a store that is closed before its client has connected', () => {
  let single: RedisServer;
  let cluster: RedisCluster;
  beforeAll(async () => {
    single = await RedisServer.start();
    cluster = await RedisCluster.start();
  });
  afterAll(async () => {
    await single?.stop();
    await cluster?.stop();
  });

  const cases = [
    ['one server', () => single.url, () => [single]],
    ['a Cluster', () => cluster.url, () => cluster.nodes],
  ] as const;
  describe.each(['ioredis', 'redis'] as const)('through %s', (library) => {
    it.each(cases)('leaves no connection to %s, which would keep the process from ending', async (_, url, servers) => {
      const store = await redisFromUrl(url(), library);
      store.watch(ask('w').name, () => {});
      await store.close();
      // Long enough for what was begun to be there.
      await sleep(500);
      const shown = await Promise.all(servers().map((server) => server.command('CLIENT', 'LIST', 'TYPE', 'NORMAL')));
      const listening = await Promise.all(servers().map((server) => server.command('CLIENT', 'LIST', 'TYPE', 'PUBSUB')));
      // That of the question itself, on each.
      const clients = [...shown, ...listening].join('').match(/\bid=\d+ addr=\S+ .*? cmd=(?!client)\S+/g) ?? [];
      expect(clients.filter((line) => !line.includes('flags=M'))).toEqual([]);
    });
  });
});
