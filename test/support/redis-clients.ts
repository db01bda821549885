import { Redis } from 'ioredis';
import { Redis as Redis6 } from 'ioredis6';
import { createClient } from 'redis';
import { createClient as createClient6 } from 'redis6';
import { type RedisClient, type RedisOptions, redis } from '../../src/backends/redis/index.js';
import type { Backend } from '../../src/core/backend.js';

interface Opened {
  readonly client: RedisClient;
  end(): void;
}

async function openNodeRedis(create: typeof createClient, url: string): Promise<Opened> {
  const client = create({ url });
  client.on('error', () => {});
  await client.connect();
  return { client: client as unknown as RedisClient, end: () => client.destroy() };
}

function openIoredis(Library: typeof Redis, url: string): Opened {
  const client = new Library(url);
  client.on('error', () => {});
  return { client, end: () => client.disconnect() };
}

/** Every client library and version that is supported, as an application would open it. */
export const clients: Readonly<Record<string, (url: string) => Opened | Promise<Opened>>> = {
  'ioredis 5': (url) => openIoredis(Redis, url),
  'node-redis 5': (url) => openNodeRedis(createClient, url),
  'ioredis 6': (url) => openIoredis(Redis6 as unknown as typeof Redis, url),
  'node-redis 6': (url) => openNodeRedis(createClient6 as unknown as typeof createClient, url),
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
