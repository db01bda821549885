import { setTimeout as sleep } from 'node:timers/promises';
import * as grpc from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { type EtcdOptions, etcd } from '../../src/backends/etcd/index.js';
import { Holdfast } from '../../src/core/holdfast.js';
import type { Lease } from '../../src/core/lease.js';
import type { HoldfastOptions } from '../../src/core/options.js';
import { FaultProxy } from '../../src/testkit/faults/proxy.js';
import { isHttp2Reply } from '../support/http2-reply.js';
import { Crowd } from '../support/crowd.js';
import { EtcdCluster, type EtcdMember } from '../support/etcd-server.js';
import { Sink } from '../support/sink.js';
import { until } from '../support/waits.js';

/** etcd looks for leases that are over twice a second, and its own time for revoking them; room for a busy machine. */
export const graceMs = 2_500;

/**
 * Real members, holders, and a sink for their guarded writes. After every test the sink's history is checked, and that no lock is
 * left in the store.
 */
export class Scene {
  cluster!: EtcdCluster;
  sink = new Sink();
  readonly #holders: Holdfast[] = [];
  readonly #proxies: FaultProxy[] = [];
  readonly #turns = new WeakMap<Lease, string>();
  #turn = 0;

  /** @param start how many members, or how to start them */
  constructor(start: number | (() => Promise<EtcdCluster>) = 1, ...args: readonly string[]) {
    beforeAll(async () => {
      this.cluster = typeof start === 'number' ? await EtcdCluster.start(start, args) : await start();
    });
    afterEach(async () => {
      await Promise.all(this.#holders.splice(0).map((holder) => holder.close()));
      await Promise.all(this.#proxies.splice(0).map((proxy) => proxy.close()));
      this.sink.check();
      this.sink = new Sink();
      await until(async () => (await this.cluster.keys()).length === 0, 'no lock is left in the store', 15_000);
    });
    afterAll(() => this.cluster.stop());
  }

  get server(): EtcdMember {
    return this.cluster.first;
  }

  /** One process's instance: channels and a backend of its own. */
  holder(
    options: HoldfastOptions & { readonly endpoints?: readonly string[]; readonly etcd?: Partial<EtcdOptions> } = {},
  ): Holdfast {
    const { endpoints = this.cluster.endpoints, etcd: more = {}, ...rest } = options;
    const locks = new Holdfast(etcd({ grpc, endpoints, ...more }), rest);
    this.#holders.push(locks);
    return locks;
  }

  /** In front of a member. */
  async proxy(member: EtcdMember = this.server): Promise<FaultProxy> {
    const proxy = await FaultProxy.start(member.port, '127.0.0.1', isHttp2Reply);
    this.#proxies.push(proxy);
    return proxy;
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

  /** Holders that take turns until they are told to stop; what they met is told then. */
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

/** Counts renewals from now on. */
export function renewalsOf(locks: Holdfast): () => number {
  let count = 0;
  locks.on('renewed', () => {
    count += 1;
  });
  return () => count;
}
