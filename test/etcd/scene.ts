import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import * as grpc from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { type EtcdOptions, etcd } from '../../src/backends/etcd/index.js';
import type { HoldfastError } from '../../src/core/errors.js';
import { Holdfast } from '../../src/core/holdfast.js';
import type { Lease } from '../../src/core/lease.js';
import type { HoldfastOptions } from '../../src/core/options.js';
import { FaultProxy } from '../../src/testkit/index.js';
import { EtcdCluster, type EtcdMember } from '../support/etcd-server.js';

/** etcd looks for leases that are over twice a second, and its own time for revoking them; room for a busy machine. */
export const graceMs = 2_500;

interface Write {
  readonly accepted: boolean;
  readonly fence: bigint;
  readonly turn: number;
}

/** What the work writes to: it refuses an older fence, and remembers every write that came. */
export class Sink {
  readonly history: Write[] = [];
  #newest = 0n;

  write(fence: bigint, turn: number): boolean {
    const accepted = fence >= this.#newest;
    if (accepted) this.#newest = fence;
    this.history.push({ accepted, fence, turn });
    return accepted;
  }

  /** The accepted writes of two turns never interleave, and no fence was given out twice. */
  check(): void {
    const owners = new Map<bigint, number>();
    for (const { fence, turn } of this.history) {
      assert.equal(owners.get(fence) ?? turn, turn, `the fence ${fence} was given out twice`);
      owners.set(fence, turn);
    }
    const accepted = this.history.filter((write) => write.accepted);
    const runs = accepted.filter((write, i) => accepted[i - 1]?.turn !== write.turn);
    for (const [i, { fence, turn }] of runs.entries()) {
      assert.ok(i === 0 || fence > (runs[i - 1]?.fence ?? 0n), `turn ${turn} wrote between the writes of another one`);
    }
  }

  get refused(): number {
    return this.history.filter(({ accepted }) => !accepted).length;
  }
}

/**
 * Real members, holders, and a sink for their guarded writes. After every test the sink's history is checked, and that no lock is
 * left in the store.
 */
export class Scene {
  cluster!: EtcdCluster;
  sink = new Sink();
  readonly #holders: Holdfast[] = [];
  readonly #proxies: FaultProxy[] = [];
  readonly #turns = new WeakMap<Lease, number>();
  #turn = 0;

  constructor(count = 1, ...args: readonly string[]) {
    beforeAll(async () => {
      this.cluster = await EtcdCluster.start(count, args);
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
    const proxy = await FaultProxy.start(member.port);
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

  #turnOf(lease: Lease): number {
    let turn = this.#turns.get(lease);
    if (turn === undefined) {
      this.#turn += 1;
      turn = this.#turn;
      this.#turns.set(lease, turn);
    }
    return turn;
  }
}

/** What a turn may meet while the store is in trouble. */
const trouble: ReadonlySet<string> = new Set(['LEASE_LOST', 'BACKEND_UNAVAILABLE', 'OUTCOME_UNKNOWN']);

export class Crowd {
  turns = 0;
  readonly failures: HoldfastError[] = [];
  readonly #running: readonly Promise<void>[];
  #stopped = false;

  constructor(holders: readonly Holdfast[], name: string, work: (lease: Lease) => Promise<unknown>) {
    this.#running = holders.map(async (holder) => {
      while (!this.#stopped) {
        try {
          await holder.request(name, async (lease) => lease && work(lease));
          this.turns += 1;
        } catch (error) {
          const cause = (
            'cause' in (error as Error) && (error as Error).name === 'AbortError' ? (error as Error).cause : error
          ) as HoldfastError;
          // A test that failed does not stop it.
          if (cause.code === 'CLOSED') return;
          if (!trouble.has(cause.code)) throw error;
          this.failures.push(cause);
        }
      }
    });
  }

  /** Waits for so many more turns: the waiters go on. */
  async more(turns: number, withinMs?: number): Promise<void> {
    const wanted = this.turns + turns;
    await until(() => this.turns >= wanted, `${turns} more turns`, withinMs);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }
}

/** What was thrown; fails if nothing was. */
export async function thrownBy(work: Promise<unknown>): Promise<unknown> {
  const outcome = await work.then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  if (outcome === undefined) throw new Error('nothing was thrown');
  return outcome.error;
}

export async function until(isSo: () => boolean | Promise<boolean>, what: string, withinMs = 10_000): Promise<void> {
  for (const endMs = performance.now() + withinMs; !(await isSo()); await sleep(10)) {
    if (performance.now() > endMs) throw new Error(`not within ${withinMs} ms: ${what}`);
  }
}

/** Resolves when a lease's loss is signalled; what it was, and how long after the call. */
export async function lossOf(locks: Holdfast, withinMs = 20_000): Promise<{ readonly loss: string; readonly afterMs: number }> {
  const sinceMs = performance.now();
  let found: { loss: string; afterMs: number } | undefined;
  const stop = locks.on('lost', ({ loss }) => {
    found ??= { loss, afterMs: performance.now() - sinceMs };
  });
  await until(() => found !== undefined, 'the loss is signalled', withinMs);
  stop();
  return found as unknown as { loss: string; afterMs: number };
}

/** Counts renewals from now on. */
export function renewalsOf(locks: Holdfast): () => number {
  let count = 0;
  locks.on('renewed', () => {
    count += 1;
  });
  return () => count;
}
