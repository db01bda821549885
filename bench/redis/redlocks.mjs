import { staying, takeAll } from '../lib/leases.mjs';

/**
 * redlock 5 and its fork have one API. Pairs are `acquire` and `release`, without the timer that `using` arms for each; what
 * is held is held by `using`, which renews. Their own pause of 200 ± 100 ms between two tries would leave the lock idle.
 * Retries are for taking only: a release that is retried for ever would never end once the lock is lost.
 */
export function redlockStore(redlock, client, { ttlMs, retryDelay, retryJitter }) {
  const settings = { retryCount: -1, retryDelay, retryJitter };
  const once = { retryCount: 0 };
  return {
    async pair(name, work) {
      const lock = await redlock.acquire([name], ttlMs, settings);
      try {
        await work();
      } finally {
        await redlock.release(lock, once);
      }
    },
    hold: (names) =>
      takeAll(
        names,
        staying((name, stay) => redlock.using([name], ttlMs, { retryDelay, retryJitter }, stay)),
      ),
    close: () => client.disconnect(),
  };
}
