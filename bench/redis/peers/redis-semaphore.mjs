import { Mutex } from 'redis-semaphore';
import { takeAll } from '../../lib/leases.mjs';
import { connectIoredis } from '../clients.mjs';

/** A Mutex per use, as its README does. Pairs are short, so their renewal is off; what is held is renewed at its own pace. */
export async function open({ port, ttlMs, retryInterval }) {
  const client = await connectIoredis(port);
  const patient = { lockTimeout: ttlMs, acquireTimeout: Number.POSITIVE_INFINITY, retryInterval };
  const brief = { ...patient, refreshInterval: 0 };
  return {
    async pair(name, work) {
      const mutex = new Mutex(client, name, brief);
      await mutex.acquire();
      try {
        await work();
      } finally {
        await mutex.release();
      }
    },
    hold: (names) =>
      takeAll(names, async (name) => {
        const mutex = new Mutex(client, name, patient);
        await mutex.acquire();
        return () => mutex.release();
      }),
    close: () => client.disconnect(),
  };
}
