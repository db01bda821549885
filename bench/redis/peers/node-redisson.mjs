import { Redisson, TimeUnit } from 'node-redisson';
import { takeAll } from '../../lib/leases.mjs';

/**
 * It makes its own two connections (ioredis). Pairs are given the TTL as their lease time, which spares the watchdog's timer;
 * what is held is held without one, which makes the watchdog renew it.
 */
export async function open({ port, ttlMs, eventAdapter }) {
  const redisson = new Redisson({
    redis: { options: { port, host: '127.0.0.1' } },
    lockWatchdogTimeout: BigInt(ttlMs),
    eventAdapter,
  });
  await redisson.redis.ping();
  return {
    async pair(name, work) {
      const lock = redisson.getLock(name);
      await lock.lock(BigInt(ttlMs), TimeUnit.MILLISECONDS);
      try {
        await work();
      } finally {
        await lock.unlock();
      }
    },
    hold: (names) =>
      takeAll(names, async (name) => {
        const lock = redisson.getLock(name);
        await lock.lock();
        return () => lock.unlock();
      }),
    close() {
      redisson.redis.disconnect();
      redisson.commandExecutor.subscribeRedis.disconnect();
    },
  };
}
