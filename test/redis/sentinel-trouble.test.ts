import process from 'node:process';
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { redis, redisFromUrl } from '../../src/backends/redis/index.js';
import type { Backend } from '../../src/core/backend.js';
import { FaultProxy } from '../../src/testkit/faults/proxy.js';
import { ask, heldOf } from '../support/asks.js';
import { sentinelIsMissing } from '../support/redis-sentinel.js';
import type { RedisServer } from '../support/redis-server.js';
import { standStill } from '../support/stand-still.js';
import { comesTrue, sentinelScene } from './sentinel-scene.js';

/** A failover while the client that is to follow it cannot reach, or waits for, the sentinel that it asks. */
describe.skipIf(sentinelIsMissing)('through Sentinel, in trouble', () => {
  const { keep, start } = sentinelScene();
  const turn = async (store: Backend) => {
    const own = ask('t', { ttlMs: 1_000 });
    const answer = await store.acquire(own).catch(() => undefined);
    if (answer?.outcome === 'granted') await store.release(heldOf(own)).catch(() => {});
    return answer?.outcome === 'granted';
  };
  const listens = async (server: RedisServer) => (await server.command('PUBSUB', 'CHANNELS', '*wake*')).startsWith('*1');

  it('ioredis goes on where the failover is announced while it asks a sentinel who the master is', async () => {
    const servers = await start();
    const asked = servers.sentinels[0] as (typeof servers.sentinels)[number];
    const proxy = keep(await FaultProxy.start(asked.port));
    const store = keep(await redisFromUrl(`redis+sentinel://127.0.0.1:${proxy.port}/main`, 'ioredis'));
    let wakes = 0;
    store.watch(ask('w').name, () => {
      wakes += 1;
    });
    await comesTrue('a turn', () => turn(store));
    await comesTrue('listens at the master', () => listens(servers.master));
    // From now on the clients, that for commands and that for wake-ups, spend nearly all their time asking, within what they wait for.
    proxy.latencyMs = 400;
    await servers.replicated();
    await servers.killMaster();
    // The announcement comes from the other sentinels, without delay.
    const master = await servers.failedOver(servers.master);
    await comesTrue('a turn', () => turn(store));
    await comesTrue('listens at the new master', () => listens(master));
    const own = ask('w');
    expect(await store.acquire(own)).toMatchObject({ outcome: 'granted' });
    expect(await store.acquire(ask('w', { enqueue: true }))).toMatchObject({ outcome: 'refused' });
    const before = wakes;
    await store.release(heldOf(own));
    await comesTrue('a wake-up', () => wakes > before);
  });

  it.each(['ioredis', 'redis'] as const)('the sentinel that is asked first hangs when the master dies (%s)', async (library) => {
    const servers = await start();
    const store = keep(await redisFromUrl(servers.url, library));
    await comesTrue('a turn', () => turn(store));
    const pid = servers.sentinels[0]?.pid as number;
    await servers.vigilant();
    standStill(pid);
    try {
      await servers.master.kill();
      await comesTrue('a turn', () => turn(store));
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  });

  it('ioredis waits for sentinels that are far away: for as long as the application says, where it says so', async () => {
    const servers = await start();
    const proxies = await Promise.all(servers.sentinels.map(({ port }) => FaultProxy.start(port)));
    for (const proxy of proxies) keep(proxy);
    // It asks twice before it knows the master.
    for (const proxy of proxies) proxy.latencyMs = 400;
    const hosts = proxies.map(({ port }) => `127.0.0.1:${port}`).join(',');
    const store = keep(await redisFromUrl(`redis+sentinel://${hosts}/main`, 'ioredis'));
    await comesTrue('a turn', () => turn(store));
    for (const proxy of proxies) proxy.latencyMs = 700;
    const sentinels = proxies.map(({ port }) => ({ host: '127.0.0.1', port }));
    const client = new Redis({ sentinels, name: 'main', sentinelCommandTimeout: 10_000, updateSentinels: false });
    keep({ close: () => client.disconnect() });
    const own = keep(redis(client));
    own.watch(ask('w').name, () => {});
    await comesTrue('listens at the master', () => listens(servers.master));
  });
});
