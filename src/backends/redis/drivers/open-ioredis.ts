import type { Cluster, ClusterOptions, Redis, RedisOptions } from 'ioredis';
import type { Driver } from '../driver.js';
import type { Target } from '../url.js';
import { ifInstalled } from './installed.js';
import { type IoredisClient, ioredisDriver, reconnecting } from './ioredis.js';
import { type IoredisCluster, ioredisClusterDriver } from './ioredis-cluster.js';
import { ownDriver, type Troubles } from './own.js';
import { reopening } from './reopening.js';

type Library = Pick<typeof import('ioredis'), 'Redis' | 'Cluster'>;

/** What cannot be sent at once is our business, not a queue's. */
const own = { ...reconnecting, maxRetriesPerRequest: null, lazyConnect: false } as const;

/** A client of our own; undefined if ioredis is not installed. */
export async function withIoredis(target: Target): Promise<Driver | undefined> {
  const library = await ifInstalled(() => import('ioredis'));
  if (library === undefined) return undefined;
  const client = target.kind === 'cluster' ? openCluster(library, target) : openServer(library, target);
  const troubles: Troubles = { last: undefined, lasting: false };
  client.on('error', (error: Error) => {
    troubles.last = error;
    // ioredis goes on with database 0 where there is no such database.
    troubles.lasting ||= /^ERR (?:DB index|SELECT)/.test(error.message);
  });
  const driver =
    target.kind === 'cluster'
      ? ioredisClusterDriver(client as unknown as IoredisCluster)
      : ioredisDriver(client as unknown as IoredisClient);
  const stopReopening = reopening(client);
  const close = () => {
    stopReopening();
    client.disconnect();
  };
  return ownDriver(driver, troubles, () => client.status === 'ready', close);
}

function openServer({ Redis }: Library, target: Target): Redis {
  const options: RedisOptions = { ...own, ...loginOf(target), db: target.database };
  if (target.kind === 'single') return new Redis({ ...options, ...target.addresses[0] });
  return new Redis({
    ...options,
    sentinels: [...target.addresses],
    name: target.master ?? '',
    // A master that hangs keeps its connections: the sentinels say when another one took its place.
    failoverDetector: true,
    reconnectOnError: (error: Error) => (error.message.startsWith('READONLY') ? 1 : false),
  });
}

function openCluster({ Cluster }: Library, target: Target): Cluster {
  const options: ClusterOptions = { clusterRetryStrategy: own.retryStrategy, redisOptions: loginOf(target) };
  return new Cluster([...target.addresses], options);
}

function loginOf({ username, password, tls }: Target): RedisOptions {
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls ? { tls: {} } : {}),
  };
}
