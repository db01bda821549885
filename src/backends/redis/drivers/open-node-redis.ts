import { setTimeout } from 'node:timers';
import type { Driver } from '../driver.js';
import type { Target } from '../url.js';
import { destroying } from './destroying.js';
import { ifInstalled } from './installed.js';
import { type NodeRedisClient, nodeRedisDriver, reconnectStrategy } from './node-redis.js';
import { type NodeRedisCluster, nodeRedisClusterDriver } from './node-redis-cluster.js';
import { type NodeRedisSentinel, nodeRedisSentinelDriver } from './node-redis-sentinel.js';
import { ownDriver, type Troubles } from './own.js';

type OwnClient = NodeRedisClient | NodeRedisSentinel | NodeRedisCluster;

/** A sentinel that hangs is not waited for: it often stands on the machine of the master that does. Pings keep others from falling silent. */
const sentinelClientOptions = { pingInterval: 500, socket: { socketTimeout: 2_000 } };

/** A client of our own; undefined if the package `redis` is not installed. */
export async function withNodeRedis(target: Target): Promise<Driver | undefined> {
  const library = await ifInstalled(() => import('redis'));
  if (library === undefined) return undefined;
  const { client, driver, isReady } = open(library, target);
  const troubles: Troubles = { last: undefined, lasting: false };
  client.on('error', (error: Error) => {
    troubles.last = error;
  });
  let closed = false;
  const destroy = target.kind === 'single' ? destroying(client) : () => void (client.isOpen && client.destroy());
  const connected = () => {
    // A Cluster that is closed while it is looked for connects all the same.
    if (closed && target.kind === 'cluster') client.destroy();
  };
  const connect = () => {
    client.connect().then(connected, (error: Error) => {
      troubles.last = error;
      // Sentinels and Clusters are looked for once; a single server again and again, by the client itself.
      if (!closed && !client.isOpen) setTimeout(connect, reconnectStrategy(0)).unref();
    });
  };
  connect();
  const close = () => {
    closed = true;
    destroy();
  };
  return ownDriver(driver, troubles, isReady, close);
}

interface Open {
  readonly client: OwnClient;
  readonly driver: Driver;
  readonly isReady: () => boolean;
}

function open({ createClient, createSentinel, createCluster }: typeof import('redis'), target: Target): Open {
  const { kind, addresses, master = '', database } = target;
  const socket = { reconnectStrategy, ...(target.tls ? { tls: true as const } : {}) };
  const login = loginOf(target);
  if (kind === 'single') {
    const made = createClient({ ...login, database, socket: { ...socket, ...addresses[0] } });
    const client = made as unknown as NodeRedisClient;
    return { client, driver: nodeRedisDriver(client), isReady: () => client.isReady };
  }
  if (kind === 'sentinel') {
    const nodeClientOptions = { ...login, database, socket };
    const made = createSentinel({
      name: master,
      sentinelRootNodes: [...addresses],
      nodeClientOptions,
      sentinelClientOptions,
      // With a connection of its own for commands, they need not wait for each other to get it.
      reserveClient: true,
    });
    const client = made as unknown as NodeRedisSentinel;
    return { client, driver: nodeRedisSentinelDriver(client), isReady: () => client.isReady };
  }
  const made = createCluster({ rootNodes: addresses.map((address) => ({ socket: address })), defaults: { ...login, socket } });
  const client = made as unknown as NodeRedisCluster;
  return { client, driver: nodeRedisClusterDriver(client), isReady: () => client.isOpen && client.masters.length > 0 };
}

function loginOf({ username, password }: Target) {
  return { ...(username === undefined ? {} : { username }), ...(password === undefined ? {} : { password }) };
}
