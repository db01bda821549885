import { InvalidArgumentError, NotSupportedError } from '../../../core/errors.js';
import type { Driver } from '../driver.js';
import { type IoredisClient, ioredisDriver } from './ioredis.js';
import { type NodeRedisClient, nodeRedisDriver } from './node-redis.js';

/** A connected client of `ioredis` (5.4 and later, 6) or `redis` (5, 6). */
export type RedisClient = IoredisClient | NodeRedisClient;

/**
 * Tells the client by its shape: no client library is imported.
 *
 * @throws InvalidArgumentError, NotSupportedError
 */
export function driverOf(client: RedisClient): Driver {
  const shape: object = Object(client);
  if (has(shape, 'call', 'function') && has(shape, 'isCluster', 'boolean')) {
    if ((client as IoredisClient).isCluster) throw new NotSupportedError('Redis Cluster is not supported yet: use one server');
    return ioredisDriver(client as IoredisClient);
  }
  if (has(shape, 'sendCommand', 'function') && 'isOpen' in shape) {
    if (!has(shape, 'duplicate', 'function') || !has(shape, 'isReady', 'boolean') || 'masters' in shape) {
      throw new NotSupportedError('this kind of node-redis client is not supported yet: use createClient()');
    }
    return nodeRedisDriver(client as NodeRedisClient);
  }
  throw new InvalidArgumentError('redis() needs a client of ioredis or of the package redis: new Redis(…), or createClient(…)');
}

function has(shape: object, key: string, type: 'function' | 'boolean'): boolean {
  return typeof (shape as Record<string, unknown>)[key] === type;
}
