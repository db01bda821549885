import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { redis, redisFromUrl } from '../../src/backends/redis/index.js';
import type { Backend } from '../../src/core/backend.js';
import { ask, heldOf } from '../support/asks.js';
import { clients, openRedis } from '../support/redis-clients.js';
import { sentinelIsMissing } from '../support/redis-sentinel.js';
import { standStill } from '../support/stand-still.js';
import { comesTrue, sentinelScene } from './sentinel-scene.js';

describe.skipIf(sentinelIsMissing)('through Sentinel', () => {
  const { keep, start } = sentinelScene();

  const ways: readonly [string, (url: string) => Promise<Backend>][] = [
    ['ioredis 5', (url) => openRedis('ioredis 5', url)],
    ['node-redis 5', (url) => openRedis('node-redis 5', url)],
    ['ioredis of our own', (url) => redisFromUrl(url, 'ioredis')],
    ['node-redis of our own', (url) => redisFromUrl(url, 'redis')],
  ];

  it.each(ways)('a hold goes on, and waiters are woken, when another server becomes the master (%s)', async (_way, openStore) => {
    const servers = await start();
    const store = keep(await openStore(servers.url));
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
    await servers.replicated();
    await servers.killMaster();
    const master = await servers.failedOver(servers.master);
    await comesTrue('renewed', async () => (await store.renew([heldOf(own)]))[0]?.outcome === 'renewed');
    const waiter = ask('s', { enqueue: true });
    await comesTrue('refused', async () => (await store.acquire(waiter)).outcome === 'refused');
    // Whoever listened at the old master does so at the new one.
    await comesTrue('listens', async () => (await master.command('PUBSUB', 'CHANNELS', '*wake*')).startsWith('*1'));
    await sleep(50);
    const before = wakes;
    expect(await store.release(heldOf(own))).toBe('released');
    await comesTrue('a wake-up', () => wakes > before);
    expect(await store.acquire(waiter)).toMatchObject({ outcome: 'granted' });
    await store.release(heldOf(waiter));
  });

  it('a subscription that node-redis no longer has is made again', async () => {
    const servers = await start();
    const opened = await clients['node-redis 5']?.(servers.url);
    if (opened === undefined) throw new Error('no client');
    keep({ close: opened.end });
    const store = keep(redis(opened.client));
    store.watch(ask('u').name, () => {});
    const listens = async () => (await servers.master.command('PUBSUB', 'CHANNELS', '*wake*')).startsWith('*1');
    await comesTrue('listens', listens);
    // An application may do so, too: it ends all subscriptions of this client.
    await (opened.client as unknown as { unsubscribe(): Promise<unknown> }).unsubscribe();
    await comesTrue('listens again', listens);
  });

  it('a store that is closed while node-redis subscribes for it leaves nothing behind', async () => {
    const servers = await start();
    const opened = await clients['node-redis 5']?.(servers.url);
    if (opened === undefined) throw new Error('no client');
    keep({ close: opened.end });
    const channels = () => servers.master.command('PUBSUB', 'CHANNELS', '*wake*');
    for (let i = 0; i < 4; i++) {
      const store = redis(opened.client);
      store.watch(ask('u').name, () => {});
      await store.close();
    }
    const last = keep(redis(opened.client));
    last.watch(ask('u').name, () => {});
    await comesTrue('the last one listens, alone', async () => (await channels()).startsWith('*1\r\n'));
  });

  it('a master that hangs is left by our own clients', async () => {
    const servers = await start();
    for (const library of ['ioredis', 'redis'] as const) {
      const store = keep(await redisFromUrl(servers.url, library));
      const hold = async () => (await store.acquire(ask('h', { ttlMs: 100 })).catch(() => undefined))?.outcome === 'granted';
      while (!(await hold())) await sleep(150);
      const master = await servers.current();
      await servers.vigilant();
      standStill(master.pid);
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
    keep({ close: opened.end });
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
