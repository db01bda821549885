import Redlock from 'redlock';
import { coexists } from './coexistence.js';

/** The key is the resource: nothing comes before it. */
coexists('redlock', {
  prefix: 'locks:',
  libraries: ['ioredis 5', 'node-redis 5'],
  open(client) {
    const redlock = new Redlock([client], { retryCount: 0 });
    redlock.on('error', () => {});
    return {
      async take(name, ttlMs) {
        const lock = await redlock.acquire([`locks:${name}`], ttlMs).catch(() => undefined);
        return lock && (() => lock.release());
      },
    };
  },
});
