import assert from 'node:assert/strict';
import { type RedlockOptions, redlock } from '../../src/backends/redlock/index.js';
import type { Backend } from '../../src/core/backend.js';
import { parseName } from '../../src/core/name.js';
import { clients } from './redis-clients.js';
import { leftovers } from './redis-keyspace.js';
import { RedisServer } from './redis-server.js';

/** Independent servers, for tests: each on a free loopback port. */
export class RedlockNodes {
  readonly servers: readonly RedisServer[];

  private constructor(servers: readonly RedisServer[]) {
    this.servers = servers;
  }

  static async start(count: number, ...args: readonly string[]): Promise<RedlockNodes> {
    return new RedlockNodes(await Promise.all(Array.from({ length: count }, () => RedisServer.start(...args))));
  }

  get ports(): readonly number[] {
    return this.servers.map(({ port }) => port);
  }

  /** One node's server. */
  server(index: number): RedisServer {
    return this.servers[index] as RedisServer;
  }

  /** A backend on clients of its own; closing it ends them as well. They are taken for new unless asked for otherwise. */
  open(library: string, options?: RedlockOptions): Promise<Backend> {
    return openRedlock(library, this.ports, options);
  }

  /** One command to each of them. */
  async command(...args: readonly string[]): Promise<readonly string[]> {
    return Promise.all(this.servers.map((server) => server.command(...args)));
  }

  /** Starts those again that were killed. */
  async bootAll(): Promise<void> {
    for (const server of this.servers) if (!server.running) await server.boot();
  }

  async stop(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.stop()));
  }

  /** Fails if a node has more than fences and tombstones with a TTL, and its own record. */
  async assertClean(): Promise<void> {
    for (const server of this.servers) {
      const left = await server.lines('EVAL', leftovers, '0');
      const bad = left.filter((line) => !mayStay.test(line));
      assert.deepEqual(bad, [], 'nothing but fences and tombstones, each with a TTL, and the record of the node may be left');
    }
  }
}

/** `<ms left> <key>`, for good: -1. */
const mayStay = /^(?:\d+ \{.*\}:(?:fence|ended|ended:why|ended:round|wake)|-1 \{[^}]*\}:node)$/s;

/** The same for servers that are reached at other ports: through proxies. */
export async function openRedlock(library: string, ports: readonly number[], options?: RedlockOptions): Promise<Backend> {
  const open = clients[library];
  if (open === undefined) throw new Error(`no client is called "${library}"`);
  const opened = await Promise.all(ports.map((port) => open(`redis://127.0.0.1:${port}`)));
  const backend = redlock(
    opened.map(({ client }) => client),
    { newNodes: 'trust', ...options },
  );
  // Connecting and joining take longer than a node may take to answer for a short lease.
  await backend.renew([{ name: parseName('nobody holds it'), owner: 'nobody', mode: 'exclusive', ttlMs: 10_000 }]);
  const close = backend.close.bind(backend);
  let ended = false;
  return Object.assign(backend, {
    close: async () => {
      await close();
      if (!ended) for (const { end } of opened) end();
      ended = true;
    },
  });
}
