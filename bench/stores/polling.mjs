import { randomBytes } from 'node:crypto';
import { takeAll } from '../lib/leases.mjs';

/**
 * A lock of the least that is correct, out of three statements of a store: `take(name, owner)` says whether it was free, `give(name,
 * owner)` compares and frees, `renewAll(owners)` keeps what is held. Who finds the name taken asks again after `retryMs`.
 */
export function pollingStore({ take, give, renewAll, ...rest }, { ttlMs, retryMs }) {
  async function acquire(name) {
    const owner = randomBytes(16).toString('base64url');
    while (!(await take(name, owner))) await new Promise((resolve) => setTimeout(resolve, retryMs));
    return owner;
  }

  return {
    async pair(name, work) {
      const owner = await acquire(name);
      try {
        await work();
      } finally {
        await give(name, owner);
      }
    },
    async hold(names) {
      const owners = new Map();
      const release = await takeAll(names, async (name) => {
        const owner = await acquire(name);
        owners.set(name, owner);
        return () => give(name, owner);
      });
      const timer = renewAll && setInterval(() => renewAll(owners), ttlMs / 3);
      return () => {
        clearInterval(timer);
        return release();
      };
    },
    ...rest,
  };
}
