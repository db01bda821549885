import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RedisCluster } from '../support/redis-cluster.js';
import { assertKeyspaceClean } from '../support/redis-keyspace.js';
import { RedisSentinels, sentinelIsMissing } from '../support/redis-sentinel.js';
import { type RedisServer, redisIsMissing } from '../support/redis-server.js';
import { mend, pick, probe } from './probe-support.js';

const libraries = ['ioredis 5', 'node-redis 5'];

describe.skipIf(redisIsMissing)('probe of a Cluster', () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await RedisCluster.start();
  });
  afterAll(() => cluster?.stop());

  describe.each(libraries)('through %s', (library) => {
    it('looks at every master, and says the same only once', async () => {
      const found = await probe(library, cluster.url);
      const topology = pick(found, /Cluster of 3 masters, 3 of them without a replica/);
      for (const { port } of cluster.masters) expect(topology.what).toContain(`127.0.0.1:${port}`);
      expect(pick(found, /keeps nothing on disk/).severity).toBe('warning');
      expect(found.filter(({ severity }) => severity === 'critical')).toEqual([]);
      for (const node of cluster.masters) await assertKeyspaceClean(node);
    });

    it('names the masters that differ, and mends them alone', async () => {
      const [one, two, three] = cluster.masters as [RedisServer, RedisServer, RedisServer];
      for (const node of [one, two]) await node.command('CONFIG', 'SET', 'maxmemory-policy', 'volatile-lfu');
      const finding = pick(await probe(library, cluster.url), /volatile-lfu/);
      expect(finding.what).toContain(`:${two.port}`);
      expect(finding.what).not.toContain(`:${three.port}`);
      await mend(finding);
      expect((await probe(library, cluster.url)).filter(({ what }) => what.includes('volatile-lfu'))).toEqual([]);
    });

    it('says that a client of one server is not enough', async () => {
      const found = await probe(library, cluster.masters[1]?.url ?? '');
      expect(pick(found, /one of 3 masters of a Cluster, of which the client reaches 1/).severity).toBe('critical');
    });
  });
});

describe.skipIf(redisIsMissing || sentinelIsMissing)('probe of a server that Sentinels watch', () => {
  let sentinels: RedisSentinels;
  beforeAll(async () => {
    sentinels = await RedisSentinels.start();
  });
  afterAll(() => sentinels?.stop());

  it.each(libraries)('says what a failover costs, through %s', async (library) => {
    await expect
      .poll(() => sentinels.master.command('INFO', 'replication'), { timeout: 15_000 })
      .toMatch(/slave0:.*state=online.*\s+slave1:.*state=online/);
    const found = await probe(library, sentinels.url);
    expect(pick(found, /watched by 3 Sentinels/)).toMatchObject({ severity: 'info', why: expect.stringContaining('forgotten') });
    const isolation = pick(found, /min-replicas-to-write is 0, and another server may be appointed/);
    expect(pick(found, /clocks of 2 replicas cannot be read/).fix).toContain(`-p ${sentinels.replicas[1]?.port} TIME`);
    await mend(isolation);
    expect((await probe(library, sentinels.url)).filter(({ what }) => what.includes('min-replicas'))).toEqual([]);
    await sentinels.master.command('CONFIG', 'SET', 'min-replicas-to-write', '0');
  });
});
