import { lock } from 'simple-redis-mutex';
import { connectNodeRedis } from '../clients.mjs';

/** Releases are published, so waiters need no short polls; it opens its subscription itself, once per process. */
export async function open({ port, ttlMs, pollingInterval }) {
  const client = await connectNodeRedis(port);
  const options = { timeout: ttlMs, pollingInterval };
  // One use before the crowd comes: its first callers would each open a subscription.
  const first = await lock(client, 'bench:first', options);
  await first();
  return {
    async pair(name, work) {
      const release = await lock(client, name, options);
      try {
        await work();
      } finally {
        await release();
      }
    },
    close: () => client.destroy(),
  };
}
