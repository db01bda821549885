import { once } from 'node:events';
import { type RedisClient, type RedisOptions, redis } from '../../src/backends/redis/index.js';
import { parseUrl } from '../../src/backends/redis/url.js';
import type { Backend } from '../../src/core/backend.js';

export interface Opened {
  readonly client: RedisClient;
  end(): void;
}

type NodeRedis = Pick<typeof import('redis'), 'createClient' | 'createCluster' | 'createSentinel'>;
type Ioredis = Pick<typeof import('ioredis'), 'Redis' | 'Cluster'>;

async function openNodeRedis(library: NodeRedis, url: string): Promise<Opened> {
  const client = makeNodeRedis(library, url);
  client.on('error', () => {});
  await client.connect();
  return { client: client as unknown as RedisClient, end: () => void client.destroy() };
}

function makeNodeRedis(library: NodeRedis, url: string) {
  const { kind, addresses, master = '' } = parseUrl(url);
  if (kind === 'single') return library.createClient({ url });
  if (kind === 'sentinel') return library.createSentinel({ name: master, sentinelRootNodes: [...addresses] });
  return library.createCluster({ rootNodes: addresses.map((socket) => ({ socket })) });
}

async function openIoredis(library: Ioredis, url: string): Promise<Opened> {
  const client = makeIoredis(library, url);
  client.on('error', () => {});
  // It first has to find out where its servers are: not within the deadline of a short lease.
  if (!url.startsWith('redis:')) await once(client, 'ready');
  return { client, end: () => client.disconnect() };
}

function makeIoredis(library: Ioredis, url: string) {
  const { kind, addresses, master = '' } = parseUrl(url);
  if (kind === 'single') return new library.Redis(url);
  if (kind === 'sentinel') return new library.Redis({ sentinels: [...addresses], name: master });
  return new library.Cluster([...addresses]);
}

/** Every client library and version that is supported, as an application would open it. They are large: each is loaded when it is used. */
export const clients: Readonly<Record<string, (url: string) => Promise<Opened>>> = {
  'ioredis 5': async (url) => openIoredis(await import('ioredis'), url),
  'node-redis 5': async (url) => openNodeRedis(await import('redis'), url),
  'ioredis 6': async (url) => openIoredis((await import('ioredis6')) as unknown as Ioredis, url),
  'node-redis 6': async (url) => openNodeRedis((await import('redis6')) as unknown as NodeRedis, url),
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
