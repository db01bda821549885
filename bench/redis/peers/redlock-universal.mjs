import { createLock, IoredisAdapter } from 'redlock-universal';
import { staying, takeAll } from '../../lib/leases.mjs';
import { connectIoredis } from '../clients.mjs';

/** Its `lean` lock is its fastest. Pairs are `acquire` and `release`; what is held is held by `using`, which renews. */
export async function open({ port, ttlMs, retryDelay }) {
  const client = await connectIoredis(port);
  const adapter = new IoredisAdapter(client);
  const lockOf = (key) =>
    createLock({ adapter, key, ttl: ttlMs, retryDelay, retryAttempts: Number.MAX_SAFE_INTEGER, performance: 'lean' });
  return {
    async pair(name, work) {
      const lock = lockOf(name);
      const handle = await lock.acquire();
      try {
        await work();
      } finally {
        await lock.release(handle);
      }
    },
    hold: (names) =>
      takeAll(
        names,
        staying((name, stay) => lockOf(name).using(stay)),
      ),
    close: () => client.disconnect(),
  };
}
