import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll } from 'vitest';
import type { RedlockOptions } from '../../src/backends/redlock/index.js';
import { recordKey } from '../../src/backends/redlock/redis/node.js';
import type { Ask, Backend, Grant } from '../../src/core/backend.js';
import { Holdfast } from '../../src/core/holdfast.js';
import type { HoldfastOptions } from '../../src/core/options.js';
import { FaultProxy } from '../../src/testkit/faults/proxy.js';
import { openRedlock, RedlockNodes } from '../support/redlock-nodes.js';
import { until } from '../support/waits.js';

interface OpenOptions extends RedlockOptions {
  readonly library?: string;
  /** Where some nodes are reached, if not directly: proxies by their number. */
  readonly through?: Readonly<Record<number, FaultProxy>>;
}

/** Independent servers, and clients of them. After every test what is left on the nodes is looked at, and forgotten. */
export class Scene {
  nodes!: RedlockNodes;
  readonly #count: number;
  readonly #backends: Backend[] = [];
  readonly #holders: Holdfast[] = [];
  readonly #proxies: FaultProxy[] = [];

  /** @param args of the servers */
  constructor(count: number, ...args: readonly string[]) {
    this.#count = count;
    beforeAll(async () => {
      this.nodes = await RedlockNodes.start(count, ...args);
    });
    afterEach(async () => {
      await this.nodes.bootAll();
      try {
        // Nodes that were away are told while there is somebody to tell them.
        await this.clean();
      } finally {
        await Promise.all(this.#holders.splice(0).map((holder) => holder.close()));
        await Promise.all(this.#backends.splice(0).map((backend) => backend.close()));
        await Promise.all(this.#proxies.splice(0).map((proxy) => proxy.close()));
        await this.nodes.command('FLUSHALL');
      }
    });
    afterAll(() => this.nodes.stop());
  }

  /** One process's store: its own clients. */
  async store({ library = 'ioredis 5', through = {}, ...options }: OpenOptions = {}): Promise<Backend> {
    const ports = this.nodes.ports.map((port, i) => through[i]?.port ?? port);
    const backend = await openRedlock(library, ports, options);
    this.#backends.push(backend);
    return backend;
  }

  /**
   * All nodes are known, and none of them waits. Who made them known is gone: a node that is restarted is not asked by it once more,
   * which would be to trust it again.
   */
  async introduce(options: RedlockOptions): Promise<void> {
    const backend = await openRedlock('ioredis 5', this.nodes.ports, { ...options, newNodes: 'trust' });
    // Opened is what a majority has answered.
    const joined = async () => (await this.nodes.command('EXISTS', recordKey('holdfast:'))).every((reply) => reply === ':1\r\n');
    await until(joined, 'all nodes are joined');
    await backend.close();
  }

  async holder({ ...options }: HoldfastOptions & { readonly store?: OpenOptions } = {}): Promise<Holdfast> {
    const { store, ...rest } = options;
    const locks = new Holdfast(await this.store(store), rest);
    this.#holders.push(locks);
    return locks;
  }

  async proxy(index: number): Promise<FaultProxy> {
    const proxy = await FaultProxy.start(this.nodes.server(index).port);
    this.#proxies.push(proxy);
    return proxy;
  }

  /** A proxy in front of each. */
  async proxies(): Promise<Readonly<Record<number, FaultProxy>>> {
    const all = await Promise.all(Array.from({ length: this.#count }, (_, i) => this.proxy(i)));
    return Object.fromEntries(all.entries());
  }

  /** Waits until no node has a lock any more; fails if one stays. */
  async clean(withinMs = 15_000): Promise<void> {
    for (const endMs = performance.now() + withinMs; ; await sleep(20)) {
      const error = await this.nodes.assertClean().catch((reason: unknown) => reason);
      if (error === undefined) return;
      if (performance.now() > endMs) throw error;
    }
  }

  /** Which nodes have the lock of a name. */
  async holding(name: string): Promise<readonly boolean[]> {
    const replies = await this.nodes.command('EXISTS', `holdfast:${name}`);
    return replies.map((reply) => reply === ':1\r\n');
  }
}

/** Fails unless it was granted. */
export async function granted(backend: Backend, ask: Ask): Promise<Grant> {
  const answer = await backend.acquire(ask);
  if (answer.outcome !== 'granted') throw new Error(`not granted, but ${answer.because}`);
  return answer;
}

/** Asks until it is granted. */
export async function grantedSoon(backend: Backend, ask: Ask, withinMs = 10_000): Promise<Grant> {
  for (const endMs = performance.now() + withinMs; ; await sleep(20)) {
    const answer = await backend.acquire(ask).catch((error: unknown) => error as Error);
    if (!(answer instanceof Error) && answer.outcome === 'granted') return answer;
    if (performance.now() > endMs) {
      throw new Error(`not granted within ${withinMs} ms: ${answer instanceof Error ? answer.message : answer.outcome}`);
    }
  }
}
