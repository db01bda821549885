import { Mutex } from 'redis-semaphore';
import { coexists } from './coexistence.js';

coexists('redis-semaphore', {
  prefix: 'mutex:',
  open: (client) => ({
    async take(name, ttlMs) {
      const mutex = new Mutex(client, name, { lockTimeout: ttlMs, acquireAttemptsLimit: 1, refreshInterval: 0 });
      return (await mutex.tryAcquire()) ? () => mutex.release() : undefined;
    },
  }),
});
