import { NotSupportedError } from '../../../core/errors.js';
import type { Driver } from '../driver.js';
import type { RedisOptions } from '../options.js';
import { parseUrl, type Target } from '../url.js';
import { type IoredisClient, ownIoredisDriver, ownIoredisOptions } from './ioredis.js';
import { type NodeRedisClient, ownNodeRedisDriver, ownNodeRedisSocket } from './node-redis.js';

/**
 * A client of our own, of whichever library is installed.
 *
 * @throws InvalidArgumentError, NotSupportedError
 */
export async function openUrl(url: string): Promise<{ readonly driver: Driver; readonly options: RedisOptions }> {
  const target = parseUrl(url);
  if (target.kind !== 'single')
    throw new NotSupportedError(`URLs of the kind "${target.kind}" are not supported yet: use one server`);
  const driver = (await withIoredis(target)) ?? (await withNodeRedis(target));
  if (driver === undefined) {
    throw new NotSupportedError('no Redis client is installed: run "npm install ioredis" (or "npm install redis")');
  }
  return { driver, options: target.options };
}

async function withIoredis({ addresses: [address], tls, username, password, database }: Target): Promise<Driver | undefined> {
  const library = await ifInstalled(() => import('ioredis'));
  if (library === undefined) return undefined;
  const login = { ...(username === undefined ? {} : { username }), ...(password === undefined ? {} : { password }) };
  const secure = tls ? { tls: {} } : {};
  const client = new library.Redis({ ...ownIoredisOptions, ...address, ...login, ...secure, db: database });
  return ownIoredisDriver(client as IoredisClient);
}

async function withNodeRedis({ addresses: [address], tls, username, password, database }: Target): Promise<Driver | undefined> {
  const library = await ifInstalled(() => import('redis'));
  if (library === undefined) return undefined;
  const login = { ...(username === undefined ? {} : { username }), ...(password === undefined ? {} : { password }) };
  const socket = { ...ownNodeRedisSocket, ...address, ...(tls ? { tls: true as const } : {}) };
  const client = library.createClient({ ...login, database, socket });
  return ownNodeRedisDriver(client as unknown as NodeRedisClient);
}

async function ifInstalled<T>(load: () => Promise<T>): Promise<T | undefined> {
  try {
    return await load();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}
