import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import type { RedisOptions } from '../../../src/backends/redis/index.js';
import type { Backend } from '../../../src/core/backend.js';
import { Holdfast } from '../../../src/core/holdfast.js';
import type { Lease } from '../../../src/core/lease.js';
import type { HoldfastOptions } from '../../../src/core/options.js';
import { FaultProxy } from '../../../src/testkit/faults/proxy.js';
import { Crowd } from '../../support/crowd.js';
import { type Holder, Holders } from '../../support/holders.js';
import { openRedis } from '../../support/redis-clients.js';
import { assertKeyspaceClean } from '../../support/redis-keyspace.js';
import { RedisServer } from '../../support/redis-server.js';
import { RedisSink } from '../../support/redis-sink.js';

export interface HolderOptions extends HoldfastOptions {
  readonly library?: string;
  /** Where the store is reached, if not directly. */
  readonly port?: number;
  readonly redis?: RedisOptions;
}

/**
 * A real server, holders in this process and in others, and a sink for their guarded writes. After every test the sink's
 * history is checked, and that the server's keyspace holds nothing but fences and tombstones.
 */
export class Scene {
  server!: RedisServer;
  sink!: RedisSink;
  readonly #processes = new Holders('redis');
  readonly #holders: Holdfast[] = [];
  readonly #proxies: FaultProxy[] = [];
  #turns = 0;
  readonly #labels = new WeakMap<Lease, string>();

  /** @param args of the server */
  constructor(...args: readonly string[]) {
    beforeAll(async () => {
      [this.server, this.sink] = await Promise.all([RedisServer.start(...args), RedisSink.start()]);
    });
    beforeEach(async () => {
      await this.server.command('FLUSHALL');
      await this.sink.clear();
    });
    afterEach(async () => {
      await Promise.all(this.#holders.splice(0).map((holder) => holder.close()));
      await Promise.all(this.#proxies.splice(0).map((proxy) => proxy.close()));
      await this.sink.check();
      await assertKeyspaceClean(this.server);
    });
    afterAll(() => Promise.all([this.server.stop(), this.sink.stop()]));
  }

  /** One process's instance: its own client, its own backend. */
  async holder({ library = 'ioredis 5', port = this.server.port, redis, ...options }: HolderOptions = {}): Promise<Holdfast> {
    return this.holderOn(await openRedis(library, `redis://127.0.0.1:${port}`, redis), options);
  }

  /** The same on a client that the test has made. */
  holderOn(backend: Backend, options: HoldfastOptions = {}): Holdfast {
    const locks = new Holdfast(backend, options);
    this.#holders.push(locks);
    return locks;
  }

  /** The proxy through which holders reach the store, if a test asks for one. */
  async proxy(): Promise<FaultProxy> {
    const proxy = await FaultProxy.start(this.server.port);
    this.#proxies.push(proxy);
    return proxy;
  }

  /** A holder in a process of its own, which can be killed and stopped. */
  holderProcess(name: string, ttlMs: number): Promise<Holder> {
    const turn = this.#nextTurn();
    return this.#processes.start({ url: this.server.url, name, ttlMs, sink: (fence) => this.sink.write(fence, turn) });
  }

  /** A part of a turn's work: two guarded writes with a pause between them. True if both were accepted. */
  async work(lease: Lease, pauseMs = 2): Promise<boolean> {
    const turn = this.#labels.get(lease) ?? this.#nextTurn();
    this.#labels.set(lease, turn);
    const first = await this.sink.write(lease.fence, turn);
    await sleep(pauseMs);
    return (await this.sink.write(lease.fence, turn)) && first;
  }

  /** A write of a turn that picked up its fence earlier, as code does that pauses between the two. */
  lateWrite(lease: Lease, fence: bigint): Promise<boolean> {
    return this.sink.write(fence, this.#labels.get(lease) ?? 'a late write');
  }

  /** Holders that take turns until they are told to stop. */
  crowd(holders: readonly Holdfast[], name: string): Crowd {
    return new Crowd(holders, name, (lease) => this.work(lease));
  }

  /** A label that no other turn has. */
  #nextTurn(): string {
    this.#turns += 1;
    return `turn ${this.#turns}`;
  }
}
