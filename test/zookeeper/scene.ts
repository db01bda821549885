import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import type { Backend } from '../../src/core/backend.js';
import { Holdfast } from '../../src/core/holdfast.js';
import type { Lease } from '../../src/core/lease.js';
import type { HoldfastOptions } from '../../src/core/options.js';
import { FaultProxy } from '../../src/testkit/faults/proxy.js';
import { Crowd } from '../support/crowd.js';
import { type Holder, Holders } from '../support/holders.js';
import { RedisSink } from '../support/redis-sink.js';
import { assertTreeClean, Operator, openZooKeeper } from '../support/zookeeper-clients.js';
import { ZooKeeperEnsemble } from '../support/zookeeper-ensemble.js';
import { ZooKeeperServer } from '../support/zookeeper-server.js';

/** How long after the end of its session a lease may still stand: servers look at sessions once a tick. */
export const tickMs = 200;

/** A class of TTLs of its own, and the session that fits it. */
export const ttlMs = 1_000;
export const sessionMs = 1_500;

/**
 * Real servers, holders in this process and in others, and a sink for their guarded writes. After every test the sink's history
 * is checked, and that nothing is left in the store.
 */
export class Scene {
  sink!: RedisSink;
  #servers!: ZooKeeperServer | ZooKeeperEnsemble;
  readonly #processes = new Holders('zookeeper');
  readonly #holders: Holdfast[] = [];
  readonly #proxies: FaultProxy[] = [];
  readonly #labels = new WeakMap<Lease, string>();
  #turns = 0;

  constructor(kind: 'one' | 'three') {
    beforeAll(async () => {
      const start = kind === 'one' ? ZooKeeperServer.start() : ZooKeeperEnsemble.start();
      [this.#servers, this.sink] = await Promise.all([start, RedisSink.start()]);
    });
    beforeEach(async () => {
      await this.sink.clear();
    });
    afterEach(async () => {
      await Promise.all(this.#holders.splice(0).map((holder) => holder.close()));
      await Promise.all(this.#proxies.splice(0).map((proxy) => proxy.close()));
      await this.sink.check();
      await assertTreeClean(this.addresses);
    });
    afterAll(() => Promise.all([this.#servers.stop(), this.sink.stop()]));
  }

  get server(): ZooKeeperServer {
    return this.#servers as ZooKeeperServer;
  }

  get ensemble(): ZooKeeperEnsemble {
    return this.#servers as ZooKeeperEnsemble;
  }

  get addresses(): string {
    return this.#servers instanceof ZooKeeperServer ? this.#servers.address : this.#servers.addresses;
  }

  /** One process's instance: its own client, its own backend. */
  holder(options: HoldfastOptions = {}, addresses = this.addresses): Holdfast {
    return this.holderOn(openZooKeeper(addresses), options);
  }

  holderOn(backend: Backend, options: HoldfastOptions = {}): Holdfast {
    const locks = new Holdfast(backend, { ttlMs, ...options });
    this.#holders.push(locks);
    return locks;
  }

  async proxy(server: ZooKeeperServer = this.server): Promise<FaultProxy> {
    const proxy = await FaultProxy.start(server.port);
    this.#proxies.push(proxy);
    return proxy;
  }

  /** A holder in a process of its own, which can be killed and stopped. */
  holderProcess(name: string): Promise<Holder> {
    const turn = this.#nextTurn();
    return this.#processes.start({ url: `zk://${this.addresses}`, name, ttlMs, sink: (fence) => this.sink.write(fence, turn) });
  }

  /** Looks at the store past everything that is tested. */
  async look<T>(at: (operator: Operator) => Promise<T>): Promise<T> {
    const operator = await Operator.connect(this.addresses);
    try {
      return await at(operator);
    } finally {
      await operator.close();
    }
  }

  nodes(name: string): Promise<readonly string[]> {
    return this.look((operator) => operator.children(`/holdfast/locks/${name}`));
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

  crowd(holders: readonly Holdfast[], name: string): Crowd {
    return new Crowd(holders, name, (lease) => this.work(lease));
  }

  #nextTurn(): string {
    this.#turns += 1;
    return `turn ${this.#turns}`;
  }
}
