import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { redis, redisFromUrl } from '../../src/backends/redis/index.js';
import type { Backend } from '../../src/core/backend.js';
import { ask, heldOf } from '../support/asks.js';
import { clients, openRedis } from '../support/redis-clients.js';
import { RedisSentinels, sentinelIsMissing } from '../support/redis-sentinel.js';

describe.skipIf(sentinelIsMissing)('through Sentinel', () => {
  const open: { close(): unknown }[] = [];
  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one.close();
  });
  const start = async () => {
    const servers = await RedisSentinels.start();
    open.push({ close: () => servers.stop() });
    return servers;
  };

  const ways: readonly [string, (url: string) => Promise<Backend>][] = [
    ['ioredis 5', (url) => openRedis('ioredis 5', url)],
    ['node-redis 5', (url) => openRedis('node-redis 5', url)],
    ['ioredis of our own', (url) => redisFromUrl(url, 'ioredis')],
    ['node-redis of our own', (url) => redisFromUrl(url, 'redis')],
  ];

  it.each(ways)('a hold goes on, and waiters are woken, when another server becomes the master (%s)', async (_way, openStore) => {
    const servers = await start();
    const store = await openStore(servers.url);
    open.push(store);
    let wakes = 0;
    store.watch(ask('s').name, () => {
      wakes += 1;
    });
    const own = ask('s', { ttlMs: 60_000 });
    for (;;) {
      const answer = await store.acquire(own).catch(() => undefined);
      if (answer?.outcome === 'granted') break;
      await sleep(50);
    }
    await servers.master.command('WAIT', '2', '2000');
    await servers.master.kill();
    const master = await servers.failedOver(servers.master);
    const goOn = async (what: () => Promise<boolean>) => {
      for (const endMs = performance.now() + 15_000; !(await what().catch(() => false)); await sleep(20)) {
        expect(performance.now()).toBeLessThan(endMs);
      }
    };
    await goOn(async () => (await store.renew([heldOf(own)]))[0]?.outcome === 'renewed');
    const waiter = ask('s', { enqueue: true });
    await goOn(async () => (await store.acquire(waiter)).outcome === 'refused');
    // Whoever listened at the old master does so at the new one.
    await goOn(async () => (await master.command('PUBSUB', 'CHANNELS', '*wake*')).startsWith('*1'));
    await sleep(50);
    const before = wakes;
    expect(await store.release(heldOf(own))).toBe('released');
    await goOn(async () => wakes > before);
    expect(await store.acquire(waiter)).toMatchObject({ outcome: 'granted' });
    await store.release(heldOf(waiter));
  });

  it('a master that hangs is left by our own clients', async () => {
    const servers = await start();
    for (const library of ['ioredis', 'redis'] as const) {
      const store = await redisFromUrl(servers.url, library);
      open.push(store);
      const hold = async () => (await store.acquire(ask('h', { ttlMs: 100 })).catch(() => undefined))?.outcome === 'granted';
      while (!(await hold())) await sleep(150);
      const master = await servers.current();
      process.kill(master.pid, 'SIGSTOP');
      try {
        await servers.failedOver(master);
        for (const endMs = performance.now() + 15_000; !(await hold()); await sleep(150)) {
          expect(performance.now()).toBeLessThan(endMs);
        }
      } finally {
        process.kill(master.pid, 'SIGCONT');
      }
    }
  });

  it('a busy client of node-redis starves nobody', async () => {
    const servers = await start();
    const opened = await clients['node-redis 5']?.(servers.url);
    if (opened === undefined) throw new Error('no client');
    open.push({ close: opened.end });
    const stores = [redis(opened.client), redis(opened.client)];
    const turn = async (store: Backend | undefined, name: string) => {
      const own = ask(name);
      const answer = await store?.acquire(own);
      await store?.release(heldOf(own));
      return answer?.outcome;
    };
    const rounds = Array.from({ length: 40 }, async (_, n) => {
      for (let i = 0; i < 25; i++) expect(await turn(stores[n % 2], `b-${n}`)).toBe('granted');
    });
    await Promise.all(rounds);
    expect(() => redis(opened.client, { replicas: 1 })).toThrow(expect.objectContaining({ code: 'NOT_SUPPORTED' }));
    for (const store of stores) await store.close();
  });
});
