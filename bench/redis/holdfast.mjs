import { Holdfast } from 'holdfast';
import { redis } from 'holdfast/redis';
import { takeAll } from '../lib/leases.mjs';

/** As the README shows it: `request`, default options. */
export function storeOf(client, ttlMs, disconnect) {
  const locks = new Holdfast(redis(client), { ttlMs });
  return {
    pair: (name, work) => locks.request(name, work),
    hold: (names) =>
      takeAll(names, async (name) => {
        const lease = await locks.acquire(name);
        return () => lease.release();
      }),
    async close() {
      await locks.close();
      disconnect();
    },
  };
}
