import { once } from 'node:events';
import { Redis } from 'ioredis';
import { createClient } from 'redis';

/** The one connection that a process has for commands, with nothing set: every contender gets the same. */
export async function connectIoredis(port) {
  const client = new Redis({ port, host: '127.0.0.1' });
  await once(client, 'ready');
  return client;
}

export async function connectNodeRedis(port) {
  const client = createClient({ socket: { port, host: '127.0.0.1' } });
  client.on('error', () => {});
  await client.connect();
  return client;
}
