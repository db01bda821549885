import process from 'node:process';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Backend } from '../../src/core/backend.js';
import { ask, heldOf, recordsOf } from '../support/asks.js';
import { openRedis } from '../support/redis-clients.js';
import { linked, RedisCluster } from '../support/redis-cluster.js';
import { assertKeyspaceClean } from '../support/redis-keyspace.js';
import { RedisServer, redisIsMissing } from '../support/redis-server.js';
import { standStill } from '../support/stand-still.js';

const libraries = ['ioredis 5', 'node-redis 5', 'ioredis 6', 'node-redis 6'];

describe.skipIf(redisIsMissing)('a grant that replicas must have', () => {
  let master: RedisServer;
  let replica: RedisServer;
  const open: Backend[] = [];
  const opened = async (library: string, url = master.url) => {
    const backend = await openRedis(library, url, { replicas: 1 });
    open.push(backend);
    return backend;
  };
  beforeAll(async () => {
    master = await RedisServer.start('--repl-diskless-sync-delay', '0');
    replica = await RedisServer.start('--replicaof', '127.0.0.1', String(master.port));
    await linked(replica);
  });
  afterAll(async () => {
    await replica?.stop();
    await master?.stop();
  });
  afterEach(async () => {
    for (const backend of open.splice(0)) await backend.close();
    await assertKeyspaceClean(master);
  });

  describe.each(libraries)('through %s', (library) => {
    it('is there when the ask returns', async () => {
      const store = await opened(library);
      for (const mode of ['exclusive', 'shared'] as const) {
        const own = ask('r', { mode });
        expect(await store.acquire(own)).toMatchObject({ outcome: 'granted' });
        expect(await replica.command('EXISTS', 'holdfast:r')).toBe(':1\r\n');
        expect(await store.acquire(ask('r'))).toMatchObject({ outcome: 'refused' });
        await store.release(heldOf(own));
      }
    });

    it('is taken back when they do not answer', async () => {
      const store = await opened(library);
      const own = ask('r', { ttlMs: 1_000 });
      standStill(replica.pid);
      try {
        await expect(store.acquire(own)).rejects.toMatchObject({
          code: 'BACKEND_UNAVAILABLE',
          permanent: false,
          message: expect.stringMatching(/0 of 1 replicas.*given back/),
        });
        expect(await recordsOf(store, '')).toEqual([]);
        const heir = ask('r', { ttlMs: 1_000 });
        const by = { kind: 'stolen', reason: 'r', node: heir.node, heir } as const;
        await expect(store.revoke(heir.name, by)).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
        expect(await recordsOf(store, '')).toEqual([]);
      } finally {
        process.kill(replica.pid, 'SIGCONT');
      }
      const next = ask('r');
      expect(await store.acquire(next)).toMatchObject({ outcome: 'granted' });
      await store.release(heldOf(next));
    });

    it('is never counted on another connection than its own', async () => {
      const store = await opened(library);
      const first = ask('r');
      await store.acquire(first);
      await store.release(heldOf(first));
      standStill(replica.pid);
      const own = ask('r', { ttlMs: 5_000 });
      const asking = store.acquire(own).then(
        (answer) => answer.outcome,
        (error: { code: string }) => error.code,
      );
      try {
        for (const endMs = performance.now() + 2_200; !(await master.command('CLIENT', 'LIST')).includes('cmd=wait'); ) {
          expect(performance.now()).toBeLessThan(endMs);
        }
        await master.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
        expect(await asking).not.toBe('granted');
      } finally {
        process.kill(replica.pid, 'SIGCONT');
      }
      await store.abandon(own);
    });

    it('is waited for together with others that come meanwhile', async () => {
      const store = await opened(library);
      const asks = Array.from({ length: 200 }, (_, n) => ask(`r-${n}`));
      await master.command('CONFIG', 'RESETSTAT');
      expect(await Promise.all(asks.map((one) => store.acquire(one)))).toMatchObject(asks.map(() => ({ outcome: 'granted' })));
      const stats = await master.command('INFO', 'commandstats');
      expect(Number(/cmdstat_wait:calls=(\d+)/.exec(stats)?.[1])).toBeLessThan(100);
      await Promise.all(asks.map((one) => store.release(heldOf(one))));
    });
  });

  it('is waited for at the master of its slot, in a Cluster', async () => {
    const cluster = await RedisCluster.start(3, 1);
    try {
      for (const library of libraries) {
        const store = await opened(library, cluster.url);
        const asks = Array.from({ length: 12 }, (_, n) => ask(`r-${n}`));
        for (const one of asks) expect(await store.acquire(one)).toMatchObject({ outcome: 'granted' });
        for (const one of asks) await store.release(heldOf(one));
        for (const node of cluster.replicas) standStill(node.pid);
        const own = ask('r', { ttlMs: 1_000 });
        try {
          await expect(store.acquire(own)).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
        } finally {
          for (const node of cluster.replicas) process.kill(node.pid, 'SIGCONT');
        }
      }
    } finally {
      for (const backend of open.splice(0)) await backend.close();
      await cluster.stop();
    }
  });
});
