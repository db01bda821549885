import process from 'node:process';
import type { Backend } from '../core/backend.js';
import { nearest } from '../core/options.js';
import { usage } from './exit.js';

interface Scheme {
  readonly example: string;
  /**
   * Where a host of the URL listens that names no port, if clients speak plain TCP to these hosts and to no others: then something may
   * be put in between.
   */
  readonly port?: number;
  /** For drills: has the store hand over to another server. The answer is undefined where this URL leads to one alone. */
  readonly failOver?: (url: string) => Promise<(() => Promise<void>) | undefined>;
  /** Imports the backend when it is needed, and no other. */
  open(url: string): Promise<Backend>;
}

/** URL scheme → backend. A new store is one entry here. */
export const schemes: Readonly<Record<string, Scheme>> = {
  sqlite: {
    example: 'sqlite:/var/lib/app/locks.db',
    open: async (url) => (await import('../backends/sqlite/index.js')).sqliteFromUrl(url),
  },
  redis: {
    example: 'redis://localhost:6379/0',
    port: 6379,
    open: openRedis,
  },
  rediss: {
    example: 'rediss://user:password@redis.example.com:6379/0',
    open: openRedis,
  },
  'redis+sentinel': {
    example: 'redis+sentinel://sentinel-1:26379,sentinel-2:26379/main',
    failOver: async (url) => (await import('../backends/redis/failover.js')).sentinelFailover(url),
    open: openRedis,
  },
  'redis+cluster': {
    example: 'redis+cluster://node-1:6379,node-2:6379',
    open: openRedis,
  },
  redlock: {
    example: 'redlock://redis-a:6379,redis-b:6379,redis-c:6379',
    port: 6379,
    open: openRedlock,
  },
  'redlock+tls': {
    example: 'redlock+tls://user:password@redis-a:6379,redis-b:6379,redis-c:6379',
    open: openRedlock,
  },
  postgres: {
    example: 'postgres://user:password@db.example.com:5432/app',
    port: 5432,
    open: openPostgres,
  },
  postgresql: {
    example: 'postgresql://user:password@db.example.com:5432/app?schema=holdfast',
    port: 5432,
    open: openPostgres,
  },
  etcd: {
    example: 'etcd://etcd-a:2379,etcd-b:2379,etcd-c:2379',
    port: 2379,
    open: openEtcd,
  },
  'etcd+tls': {
    example: 'etcd+tls://user:password@etcd-a:2379,etcd-b:2379?cacert=ca.pem',
    open: openEtcd,
  },
  consul: {
    example: 'consul://localhost:8500',
    port: 8500,
    open: openConsul,
  },
  'consul+tls': {
    example: 'consul+tls://consul-a:8501,consul-b:8501?cacert=ca.pem&tokenfile=token',
    open: openConsul,
  },
  zk: {
    example: 'zk://zk-1:2181,zk-2:2181,zk-3:2181',
    port: 2181,
    open: async (url) => (await import('../backends/zookeeper/index.js')).zookeeperFromUrl(url),
  },
  dynamodb: {
    example: 'dynamodb://eu-central-1/holdfast',
    open: async (url) => (await import('../backends/dynamodb/index.js')).dynamodbFromUrl(url),
  },
};

async function openRedis(url: string): Promise<Backend> {
  return (await import('../backends/redis/index.js')).redisFromUrl(url);
}

async function openRedlock(url: string): Promise<Backend> {
  return (await import('../backends/redlock/index.js')).redlockFromUrl(url);
}

async function openPostgres(url: string): Promise<Backend> {
  return (await import('../backends/postgres/index.js')).postgresFromUrl(url);
}

async function openEtcd(url: string): Promise<Backend> {
  return (await import('../backends/etcd/index.js')).etcdFromUrl(url);
}

async function openConsul(url: string): Promise<Backend> {
  return (await import('../backends/consul/index.js')).consulFromUrl(url);
}

/** A file of this user on this machine: `holdfast/locks.db` under $XDG_STATE_HOME, else ~/.local/state. */
const defaultUrl = 'sqlite:';

/** The store named by `--backend`, else by HOLDFAST_BACKEND, else the default one. */
export function backendUrl(option: string | undefined): string {
  if (option === '') throw usage('--backend is empty: is a variable unset?');
  return option ?? (process.env['HOLDFAST_BACKEND'] || defaultUrl);
}

function schemeIn(url: string): string | undefined {
  return /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(url)?.[1]?.toLowerCase();
}

/** What is known of URLs of this kind. */
export function schemeOf(url: string): Scheme | undefined {
  const scheme = schemeIn(url);
  return scheme !== undefined && Object.hasOwn(schemes, scheme) ? schemes[scheme] : undefined;
}

export async function openBackend(url: string): Promise<Backend> {
  const scheme = schemeIn(url);
  const known = Object.keys(schemes);
  if (scheme === undefined) throw usage(`the backend "${url}" is no URL: write it like ${examples()}`);
  const entry = schemeOf(url);
  if (entry !== undefined) return entry.open(url);
  // Only the scheme is repeated: the rest of a URL may hold a password.
  const guess = nearest(scheme, known);
  const example = guess === undefined ? undefined : schemes[guess]?.example;
  if (example !== undefined) throw usage(`no backend for "${scheme}:" URLs: did you mean ${guess}:, as in ${example}?`);
  throw usage(`no backend for "${scheme}:" URLs: known ones are ${known.map((k) => `${k}:`).join(', ')}, as in ${examples()}`);
}

/** Of a few: all of them would hide what they are examples of. */
function examples(): string {
  return Object.values(schemes)
    .slice(0, 2)
    .map(({ example }) => example)
    .join(' or ');
}
