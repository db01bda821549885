import { once } from 'node:events';
import { Cluster, Redis } from 'ioredis';
import { Cluster as Cluster6, Redis as Redis6 } from 'ioredis6';
import { createClient, createCluster, createSentinel } from 'redis';
import { createClient as createClient6, createCluster as createCluster6, createSentinel as createSentinel6 } from 'redis6';
import { type RedisClient, type RedisOptions, redis } from '../../src/backends/redis/index.js';
import { parseUrl } from '../../src/backends/redis/url.js';
import type { Backend } from '../../src/core/backend.js';

export interface Opened {
  readonly client: RedisClient;
  end(): void;
}

const nodeRedis5 = { createClient, createSentinel, createCluster };
const nodeRedis6 = { createClient: createClient6, createSentinel: createSentinel6, createCluster: createCluster6 };
const ioredis5 = { Redis, Cluster };
const ioredis6 = { Redis: Redis6, Cluster: Cluster6 } as unknown as typeof ioredis5;

async function openNodeRedis(library: typeof nodeRedis5, url: string): Promise<Opened> {
  const client = makeNodeRedis(library, url);
  client.on('error', () => {});
  await client.connect();
  return { client: client as unknown as RedisClient, end: () => void client.destroy() };
}

function makeNodeRedis(library: typeof nodeRedis5, url: string) {
  const { kind, addresses, master = '' } = parseUrl(url);
  if (kind === 'single') return library.createClient({ url });
  if (kind === 'sentinel') return library.createSentinel({ name: master, sentinelRootNodes: [...addresses] });
  return library.createCluster({ rootNodes: addresses.map((socket) => ({ socket })) });
}

async function openIoredis(library: typeof ioredis5, url: string): Promise<Opened> {
  const client = makeIoredis(library, url);
  client.on('error', () => {});
  // It first has to find out where its servers are: not within the deadline of a short lease.
  if (!url.startsWith('redis:')) await once(client, 'ready');
  return { client, end: () => client.disconnect() };
}

function makeIoredis(library: typeof ioredis5, url: string) {
  const { kind, addresses, master = '' } = parseUrl(url);
  if (kind === 'single') return new library.Redis(url);
  if (kind === 'sentinel') return new library.Redis({ sentinels: [...addresses], name: master });
  return new library.Cluster([...addresses]);
}

/** Every client library and version that is supported, as an application would open it. */
export const clients: Readonly<Record<string, (url: string) => Promise<Opened>>> = {
  'ioredis 5': (url) => openIoredis(ioredis5, url),
  'node-redis 5': (url) => openNodeRedis(nodeRedis5, url),
  'ioredis 6': (url) => openIoredis(ioredis6, url),
  'node-redis 6': (url) => openNodeRedis(nodeRedis6 as unknown as typeof nodeRedis5, url),
};

/** A backend on a client of its own; closing it ends the client as well. */
export async function openRedis(library: string, url: string, options?: RedisOptions): Promise<Backend> {
  const open = clients[library];
  if (open === undefined) throw new Error(`no client is called "${library}"`);
  const { client, end } = await open(url);
  const backend = redis(client, options);
  const close = backend.close.bind(backend);
  let ended = false;
  return Object.assign(backend, {
    close: async () => {
      await close();
      if (!ended) end();
      ended = true;
    },
  });
}
