import { Etcd3, EtcdLockFailedError } from 'etcd3';
import { takeAll } from '../../lib/leases.mjs';

/** It refuses at once what is taken: who wants to wait asks again. */
export function openEtcd3({ port, ttlMs, retryMs }) {
  const client = new Etcd3({ hosts: `http://127.0.0.1:${port}` });

  async function acquire(name) {
    for (;;) {
      try {
        return await client
          .lock(name)
          .ttl(ttlMs / 1_000)
          .acquire();
      } catch (error) {
        if (!(error instanceof EtcdLockFailedError)) throw error;
        await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    }
  }

  return {
    async pair(name, work) {
      const lock = await acquire(name);
      try {
        await work();
      } finally {
        await lock.release();
      }
    },
    hold: (names) =>
      takeAll(names, async (name) => {
        const lock = await acquire(name);
        return () => lock.release();
      }),
    close: () => client.close(),
  };
}
