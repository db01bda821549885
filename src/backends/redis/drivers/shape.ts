import { InvalidArgumentError, NotSupportedError } from '../../../core/errors.js';
import type { Driver } from '../driver.js';
import { type IoredisClient, ioredisDriver } from './ioredis.js';
import { type IoredisCluster, ioredisClusterDriver } from './ioredis-cluster.js';
import { type NodeRedisClient, nodeRedisDriver } from './node-redis.js';
import { type NodeRedisCluster, nodeRedisClusterDriver } from './node-redis-cluster.js';
import { type NodeRedisSentinel, nodeRedisSentinelDriver } from './node-redis-sentinel.js';

/**
 * A connected client of `ioredis` (5.4 and later, 6) or `redis` (5, 6): for one server, through Sentinel, or for a
 * Cluster.
 */
export type RedisClient = IoredisClient | IoredisCluster | NodeRedisClient | NodeRedisCluster | NodeRedisSentinel;

/**
 * Tells the client by its shape: no client library is imported.
 *
 * @throws InvalidArgumentError, NotSupportedError
 */
export function driverOf(client: RedisClient): Driver {
  const shape: object = Object(client);
  if (has(shape, 'call', 'function') && has(shape, 'isCluster', 'boolean')) {
    return (client as IoredisClient).isCluster
      ? ioredisClusterDriver(client as IoredisCluster)
      : ioredisDriver(client as IoredisClient);
  }
  if (has(shape, 'sendCommand', 'function') && 'isOpen' in shape) return nodeRedisDriverOf(client, shape);
  throw new InvalidArgumentError('redis() needs a client of ioredis or of the package redis: new Redis(…), or createClient(…)');
}

function nodeRedisDriverOf(client: RedisClient, shape: object): Driver {
  if ('masters' in shape && has(shape, 'nodeClient', 'function')) return nodeRedisClusterDriver(client as NodeRedisCluster);
  if (has(shape, 'getSentinelNode', 'function')) return nodeRedisSentinelDriver(client as NodeRedisSentinel);
  if (has(shape, 'duplicate', 'function') && has(shape, 'isReady', 'boolean')) return nodeRedisDriver(client as NodeRedisClient);
  throw new NotSupportedError(
    'this kind of node-redis client is not supported: use createClient(), createSentinel() or createCluster()',
  );
}

function has(shape: object, key: string, type: 'function' | 'boolean'): boolean {
  return typeof (shape as Record<string, unknown>)[key] === type;
}
