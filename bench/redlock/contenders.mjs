const ttlMs = 6_000;

export const holdfasts = [
  {
    key: 'holdfast-ioredis',
    label: 'Holdfast, ioredis',
    ours: true,
    module: new URL('./peers/holdfast-ioredis.mjs', import.meta.url).href,
    options: { ttlMs },
    settings:
      '`locks.request(name, work)`, all options as they come, TTL 6 s; ordered fences on a majority before the work begins',
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

export const peers = [
  {
    key: 'redlock',
    label: 'redlock 5.0.0-beta.2',
    module: new URL('./peers/redlock.mjs', import.meta.url).href,
    options: { ttlMs, retryDelay: 20, retryJitter: 8 },
    settings: '`acquire` and `release`, ioredis, retries for ever every 20 ± 8 ms',
  },
  {
    key: 'redlock-universal',
    label: 'redlock-universal 0.8.5',
    module: new URL('./peers/redlock-universal.mjs', import.meta.url).href,
    options: { ttlMs, retryDelay: 20 },
    settings: '`createRedlock` over ioredis, asks again every 20 ms; says that it wants Node 22',
  },
  {
    key: 'redis-semaphore',
    label: 'redis-semaphore 5.8.0',
    module: new URL('./peers/redis-semaphore.mjs', import.meta.url).href,
    options: { ttlMs, retryInterval: 20 },
    settings: '`RedlockMutex` over ioredis, asks again every 20 ms; `refreshInterval` off',
  },
];

export const contenders = [...peers, ...holdfasts];
