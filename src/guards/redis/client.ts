import { InvalidArgumentError } from '../../core/errors.js';
import type { Script } from './script.js';

/** The part of ioredis (5.4 and later, 6), `Redis` or `Cluster`, that is called. A `keyPrefix` is put before the mark's key, too. */
export interface Ioredis {
  readonly isCluster: boolean;
  evalsha(sha: string, keys: number, ...args: string[]): Promise<unknown>;
  eval(script: string, keys: number, ...args: string[]): Promise<unknown>;
  get(key: string): Promise<string | null>;
  pttl(key: string): Promise<number>;
}

/** The part of node-redis (the package `redis`, 5 and 6), a client, a pool, a Sentinel client or a Cluster, that is called. */
export interface NodeRedis {
  evalSha(sha: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
  get(key: string): Promise<unknown>;
  pTTL(key: string): Promise<unknown>;
}

export type RedisClient = Ioredis | NodeRedis;

export interface Driver {
  /** Keys are spread over several servers by their slot. */
  readonly cluster: boolean;
  run(script: Script, keys: readonly string[], args: readonly string[]): Promise<readonly string[]>;
  get(key: string): Promise<string | undefined>;
  /** −1: none. −2: no such key. */
  ttlMs(key: string): Promise<number>;
}

/** @throws InvalidArgumentError */
export function driverOf(client: RedisClient): Driver {
  const shape = Object(client) as Partial<Ioredis & NodeRedis>;
  if (typeof shape.evalsha === 'function') return ioredis(client as Ioredis);
  if (typeof shape.evalSha === 'function') return nodeRedis(client as NodeRedis);
  throw new InvalidArgumentError('redisGuard() needs a client of ioredis, or of node-redis (the package redis)');
}

function ioredis(client: Ioredis): Driver {
  return {
    cluster: client.isCluster,
    run: (script, keys, args) =>
      known(
        () => client.evalsha(script.sha, keys.length, ...keys, ...args),
        () => client.eval(script.text, keys.length, ...keys, ...args),
      ),
    get: async (key) => (await client.get(key)) ?? undefined,
    ttlMs: (key) => client.pttl(key),
  };
}

function nodeRedis(client: NodeRedis): Driver {
  return {
    cluster: 'slots' in client && 'masters' in client,
    run(script, keys, args) {
      const options = { keys: [...keys], arguments: [...args] };
      return known(
        () => client.evalSha(script.sha, options),
        () => client.eval(script.text, options),
      );
    },
    get: async (key) => {
      const value = await client.get(key);
      return value === null || value === undefined ? undefined : String(value);
    },
    ttlMs: async (key) => Number(await client.pTTL(key)),
  };
}

/** A server that does not know the script has not run it. */
async function known(bySha: () => Promise<unknown>, byText: () => Promise<unknown>): Promise<readonly string[]> {
  let reply: unknown;
  try {
    reply = await bySha();
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
    reply = await byText();
  }
  return (reply as readonly unknown[]).map(String);
}

/** The server's own words, not the library's: it has answered. */
export function isReply(error: unknown): boolean {
  return error instanceof Error && /^[A-Z]{2,}(?: |$)/.test(error.message);
}
