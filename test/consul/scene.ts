import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { type ConsulOptions, consul } from '../../src/backends/consul/index.js';
import { Holdfast } from '../../src/core/holdfast.js';
import type { Lease } from '../../src/core/lease.js';
import type { HoldfastOptions } from '../../src/core/options.js';
import { FaultProxy } from '../../src/testkit/faults/proxy.js';
import { ConsulCluster, type ConsulConfig, type ConsulServer } from '../support/consul-server.js';
import { Crowd } from '../support/crowd.js';
import { Sink } from '../support/sink.js';
import { until } from '../support/waits.js';

export { renewalsOf } from '../etcd/scene.js';
export { awakeMs, lossOf, thrownBy, until } from '../support/waits.js';

/** Somebody who waits looks every second, and once more to be sure; room for a busy machine. */
export const graceMs = 2_500;

/**
 * Real agents, holders, and a sink for their guarded writes. After every test the sink's history is checked, and that no lock is
 * left in the store.
 */
export class Scene {
  cluster!: ConsulCluster;
  sink = new Sink();
  readonly #holders: Holdfast[] = [];
  readonly #proxies: FaultProxy[] = [];
  readonly #turns = new WeakMap<Lease, string>();
  #turn = 0;

  constructor(count = 1, config: ConsulConfig = {}) {
    beforeAll(async () => {
      this.cluster = await ConsulCluster.start(count, config);
    });
    afterEach(async () => {
      await Promise.all(this.#holders.splice(0).map((holder) => holder.close()));
      await Promise.all(this.#proxies.splice(0).map((proxy) => proxy.close()));
      this.sink.check();
      this.sink = new Sink();
      // What a killed server still had is given back by whoever looks.
      const reader = this.holder();
      await until(
        async () => {
          await reader.query();
          return (await this.server.keys().catch(() => ['?'])).length === 0;
        },
        'no lock is left in the store',
        20_000,
      );
      await Promise.all(this.#holders.splice(0).map((holder) => holder.close()));
    });
    afterAll(() => this.cluster?.stop());
  }

  get server(): ConsulServer {
    return this.cluster.first;
  }

  /** One process's instance: connections and a backend of its own. */
  holder(options: HoldfastOptions & { readonly consul?: Partial<ConsulOptions> } = {}): Holdfast {
    const { consul: more = {}, ...rest } = options;
    const locks = new Holdfast(consul({ addresses: this.cluster.addresses, ...more }), rest);
    this.#holders.push(locks);
    return locks;
  }

  /** In front of a server, and one who knows no other way. */
  async proxy(server: ConsulServer = this.server): Promise<{ proxy: FaultProxy; consul: ConsulOptions }> {
    const proxy = await FaultProxy.start(server.port);
    this.#proxies.push(proxy);
    return { proxy, consul: { addresses: [`http://127.0.0.1:${proxy.port}`] } };
  }

  /** A part of a turn's work: two guarded writes with a pause between them. True if both were accepted. */
  async work(lease: Lease, pauseMs = 2): Promise<boolean> {
    const turn = this.#turnOf(lease);
    const first = this.sink.write(lease.fence, turn);
    await sleep(pauseMs);
    return this.sink.write(lease.fence, turn) && first;
  }

  /** A write of a turn that picked up its fence earlier, as code does that pauses between the two. */
  lateWrite(lease: Lease, fence: bigint): boolean {
    return this.sink.write(fence, this.#turnOf(lease));
  }

  crowd(holders: readonly Holdfast[], name = 'job'): Crowd {
    return new Crowd(holders, name, (lease) => this.work(lease));
  }

  #turnOf(lease: Lease): string {
    let turn = this.#turns.get(lease);
    if (turn === undefined) {
      this.#turn += 1;
      turn = `turn ${this.#turn}`;
      this.#turns.set(lease, turn);
    }
    return turn;
  }
}
