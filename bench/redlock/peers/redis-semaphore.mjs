import { RedlockMutex } from 'redis-semaphore';
import { connectAll, disconnectAll } from '../clients.mjs';

/** A mutex per use, as its README does. Pairs are short, so their renewal is off. */
export async function open({ ports, ttlMs, retryInterval }) {
  const clients = await connectAll(ports);
  const settings = { lockTimeout: ttlMs, acquireTimeout: Number.POSITIVE_INFINITY, retryInterval, refreshInterval: 0 };
  return {
    async pair(name, work) {
      const mutex = new RedlockMutex(clients, name, settings);
      await mutex.acquire();
      try {
        await work();
      } finally {
        await mutex.release();
      }
    },
    close: () => disconnectAll(clients),
  };
}
