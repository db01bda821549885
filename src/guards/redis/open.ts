import { InvalidArgumentError } from '../../core/errors.js';
import { ifInstalled, notInstalled, type OpenGuard } from '../installed.js';
import { redisGuard } from './index.js';

/** `redis://…` or `rediss://…`, one server. @throws NotSupportedError, InvalidArgumentError */
export async function openGuard(url: string): Promise<OpenGuard> {
  if (!URL.canParse(url))
    throw new InvalidArgumentError('this Redis URL cannot be read: use %XX for special characters in user and password');
  const ioredis = await ifInstalled(() => import('ioredis'));
  if (ioredis !== undefined) {
    const client = new ioredis.Redis(url, { connectTimeout: 5_000 });
    // What is asked of it fails, and is told.
    client.on('error', () => {});
    return { guard: redisGuard(client), close: async () => client.disconnect() };
  }
  const redis = await ifInstalled(() => import('redis'));
  if (redis === undefined) throw notInstalled('ioredis');
  const client = redis.createClient({ url, socket: { connectTimeout: 5_000 } });
  client.on('error', () => {});
  client.connect().catch(() => {});
  return { guard: redisGuard(client), close: async () => client.destroy() };
}
