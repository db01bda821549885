import { createRedlock, IoredisAdapter } from 'redlock-universal';
import { connectAll, disconnectAll } from '../clients.mjs';

/** A lock per use, as its README does; `acquire` and `release`, without the timer that `using` arms. */
export async function open({ ports, ttlMs, retryDelay }) {
  const clients = await connectAll(ports);
  const adapters = clients.map((client) => new IoredisAdapter(client));
  return {
    async pair(key, work) {
      const lock = createRedlock({ adapters, key, ttl: ttlMs, retryDelay, retryAttempts: Number.MAX_SAFE_INTEGER });
      const handle = await lock.acquire();
      try {
        await work();
      } finally {
        await lock.release(handle);
      }
    },
    close: () => disconnectAll(clients),
  };
}
