const ttlMs = 6_000;
const noRenewal =
  'it has no renewal of its own: what has to be held for longer must be extended by the application, lease by lease';

export const raw = {
  key: 'raw',
  label: 'raw commands (floor)',
  module: new URL('./peers/raw.mjs', import.meta.url).href,
  options: { ttlMs, retryMs: 5 },
  settings:
    '`SET NX PX`, and a compare-and-delete script by its hash (ioredis); asks again every 5 ms; renews all in one pipeline',
};

export const holdfasts = [
  {
    key: 'holdfast-ioredis',
    label: 'Holdfast, ioredis',
    ours: true,
    module: new URL('./peers/holdfast-ioredis.mjs', import.meta.url).href,
    options: { ttlMs },
    settings: '`locks.request(name, work)`, all options as they come, TTL 6 s; `locks.acquire` for `held`',
  },
  {
    key: 'holdfast-node-redis',
    label: 'Holdfast, node-redis',
    ours: true,
    module: new URL('./peers/holdfast-node-redis.mjs', import.meta.url).href,
    options: { ttlMs },
    settings: 'the same with the other client',
  },
];

export const redlock = {
  key: 'redlock',
  label: 'redlock 5.0.0-beta.2',
  module: new URL('./peers/redlock.mjs', import.meta.url).href,
  options: { ttlMs, retryDelay: 100, retryJitter: 40 },
  settings: '`acquire` and `release`, retries for ever every 100 ± 40 ms; `using` for `held`, which renews 0.5 s before the end',
};

export const sesamecare = {
  key: 'sesamecare-redlock',
  label: '@sesamecare-oss/redlock 1.4.0',
  module: new URL('./peers/sesamecare-redlock.mjs', import.meta.url).href,
  options: { ttlMs, retryDelay: 100, retryJitter: 40 },
  settings: 'as redlock',
};

export const redisSemaphore = {
  key: 'redis-semaphore',
  label: 'redis-semaphore 5.8.0',
  module: new URL('./peers/redis-semaphore.mjs', import.meta.url).href,
  options: { ttlMs, retryInterval: 100 },
  settings: '`Mutex`, asks again every 100 ms; `refreshInterval` off for pairs, its default (0.8 × TTL) for `held`',
};

export const redlockUniversal = {
  key: 'redlock-universal',
  label: 'redlock-universal 0.8.5',
  module: new URL('./peers/redlock-universal.mjs', import.meta.url).href,
  options: { ttlMs, retryDelay: 100 },
  settings:
    '`lean` lock over ioredis, asks again every 100 ms; `using` for `held`, which renews at 0.8 × TTL; says that it wants Node 22',
};

export const verrou = {
  key: 'verrou',
  label: '@verrou/core 0.5.2',
  module: new URL('./peers/verrou.mjs', import.meta.url).href,
  options: { ttlMs, delay: 100 },
  settings: '`lock.run` over its Redis store (ioredis), asks again every 100 ms',
  cannot: { held: noRenewal },
};

export const simpleRedisMutex = {
  key: 'simple-redis-mutex',
  label: 'simple-redis-mutex 3.0.0',
  module: new URL('./peers/simple-redis-mutex.mjs', import.meta.url).href,
  options: { ttlMs, pollingInterval: 1_000 },
  settings: '`lock` over node-redis; waiters hear of releases through its subscription, and poll every second besides',
  cannot: { held: noRenewal },
};

export const nodeRedisson = {
  key: 'node-redisson',
  label: 'node-redisson 1.0.4',
  module: new URL('./peers/node-redisson.mjs', import.meta.url).href,
  options: { ttlMs, eventAdapter: 'streams' },
  settings: '`streams` for its wake-ups; lease time given for pairs; its watchdog (every third of the TTL) for `held`',
};

/** The first is what all are compared with. */
export const contenders = [
  raw,
  ...holdfasts,
  redlock,
  sesamecare,
  redisSemaphore,
  redlockUniversal,
  verrou,
  simpleRedisMutex,
  nodeRedisson,
];
