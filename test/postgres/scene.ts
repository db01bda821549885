import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import type { PostgresOptions } from '../../src/backends/postgres/index.js';
import type { Backend } from '../../src/core/backend.js';
import { HoldfastError } from '../../src/core/errors.js';
import { Holdfast } from '../../src/core/holdfast.js';
import type { Lease } from '../../src/core/lease.js';
import type { HoldfastOptions } from '../../src/core/options.js';
import { FaultProxy } from '../../src/testkit/index.js';
import { openPostgres } from '../support/postgres-clients.js';
import { PostgresServer } from '../support/postgres-server.js';
import { assertTablesClean } from '../support/postgres-tables.js';
import { until } from './support.js';

export interface HolderOptions extends HoldfastOptions {
  readonly library?: string;
  /** Where the store is reached, if not directly. */
  readonly port?: number;
  readonly postgres?: PostgresOptions;
}

/** What the work writes to: it refuses an older fence, and remembers every write that came. */
export class Sink {
  readonly history: { readonly accepted: boolean; readonly fence: bigint; readonly turn: string }[] = [];
  #newest = 0n;

  /** False if a newer fence was here before. */
  write(fence: bigint, turn: string): boolean {
    const accepted = fence >= this.#newest;
    if (accepted) this.#newest = fence;
    this.history.push({ accepted, fence, turn });
    return accepted;
  }

  get refused(): number {
    return this.history.filter(({ accepted }) => !accepted).length;
  }

  /** Accepted writes of two turns never interleave, and no fence was given out twice. */
  check(): void {
    const owners = new Map<bigint, string>();
    for (const { fence, turn } of this.history) {
      assert.equal(owners.get(fence) ?? turn, turn, `the fence ${fence} was given out twice`);
      owners.set(fence, turn);
    }
    const accepted = this.history.filter((write) => write.accepted);
    const runs = accepted.filter((write, i) => accepted[i - 1]?.turn !== write.turn);
    for (const [i, { fence, turn }] of runs.entries()) {
      assert.ok(i === 0 || fence > (runs[i - 1]?.fence ?? 0n), `"${turn}" wrote between the writes of another turn`);
    }
  }
}

/**
 * A real server, holders on clients of their own, and a sink for their guarded writes. After every test the sink's history is checked, and
 * that nothing is left in the tables but fences and tombstones.
 */
export class Scene {
  server!: PostgresServer;
  sink = new Sink();
  readonly #backends: Backend[] = [];
  readonly #holders: Holdfast[] = [];
  readonly #proxies: FaultProxy[] = [];
  readonly #labels = new WeakMap<Lease, string>();
  #turns = 0;

  /** @param settings of the server */
  constructor(...settings: readonly string[]) {
    beforeAll(async () => {
      this.server = await PostgresServer.start(...settings);
    });
    beforeEach(() => {
      this.sink = new Sink();
    });
    afterEach(async () => {
      await Promise.all(this.#holders.splice(0).map((holder) => holder.close()));
      await Promise.all(this.#backends.splice(0).map((backend) => backend.close()));
      await Promise.all(this.#proxies.splice(0).map((proxy) => proxy.close()));
      this.sink.check();
      await assertTablesClean(this.server);
      await this.server.rows('DROP SCHEMA IF EXISTS holdfast CASCADE');
    });
    afterAll(() => this.server.stop());
  }

  urlAt(port = this.server.port): string {
    return this.server.url.replace(String(this.server.port), String(port));
  }

  backend(library = 'pg', options?: PostgresOptions, port?: number): Backend {
    const backend = openPostgres(library, this.urlAt(port), options);
    this.#backends.push(backend);
    return backend;
  }

  /** One process's instance: its own client, its own backend. */
  holder({ library = 'pg', port, postgres, ...options }: HolderOptions = {}): Holdfast {
    return this.holderOn(openPostgres(library, this.urlAt(port), postgres), options);
  }

  holderOn(backend: Backend, options: HoldfastOptions = {}): Holdfast {
    const locks = new Holdfast(backend, options);
    this.#holders.push(locks);
    return locks;
  }

  async proxy(): Promise<FaultProxy> {
    const proxy = await FaultProxy.start(this.server.port);
    this.#proxies.push(proxy);
    return proxy;
  }

  /** A part of a turn's work: two guarded writes with a pause between them. True if both were accepted. */
  async work(lease: Lease, pauseMs = 2): Promise<boolean> {
    const turn = this.#labels.get(lease) ?? this.#nextTurn();
    this.#labels.set(lease, turn);
    const first = this.sink.write(lease.fence, turn);
    await sleep(pauseMs);
    return this.sink.write(lease.fence, turn) && first;
  }

  /** A write of a turn that picked up its fence earlier, as code does that pauses between the two. */
  lateWrite(lease: Lease, fence: bigint): boolean {
    return this.sink.write(fence, this.#labels.get(lease) ?? 'a late write');
  }

  /** Holders that take turns on one name until they are told to stop. */
  crowd(holders: readonly Holdfast[], name: string): Crowd {
    return new Crowd(holders, name, (lease) => this.work(lease));
  }

  #nextTurn(): string {
    this.#turns += 1;
    return `turn ${this.#turns}`;
  }
}

/** What a turn may meet while the store is in trouble. */
const trouble: ReadonlySet<string> = new Set(['LEASE_LOST', 'BACKEND_UNAVAILABLE', 'OUTCOME_UNKNOWN']);

export class Crowd {
  turns = 0;
  /** Turns that were lost, or never began. */
  readonly failures: HoldfastError[] = [];
  readonly #running: readonly Promise<void>[];
  #stopped = false;

  constructor(holders: readonly Holdfast[], name: string, work: (lease: Lease) => Promise<unknown>) {
    this.#running = holders.map((holder) => this.#run(holder, name, work));
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

  async #run(holder: Holdfast, name: string, work: (lease: Lease) => Promise<unknown>): Promise<void> {
    while (!this.#stopped) {
      try {
        await holder.request(name, work);
        this.turns += 1;
      } catch (error) {
        const cause = error instanceof HoldfastError ? error : (error as Error).cause;
        if (cause instanceof HoldfastError && cause.code === 'CLOSED') return;
        if (!(cause instanceof HoldfastError) || !trouble.has(cause.code)) throw error;
        this.failures.push(cause);
      }
    }
  }
}

/** Resolves when a loss is signalled; what it was, and how long after the call. */
export async function lossOf(locks: Holdfast, withinMs = 20_000): Promise<{ readonly loss: string; readonly afterMs: number }> {
  const sinceMs = performance.now();
  let loss = '';
  let afterMs = 0;
  const stop = locks.on('lost', (event) => {
    loss = event.loss;
    afterMs = performance.now() - sinceMs;
  });
  await until(() => loss !== '', 'the loss is signalled', withinMs);
  stop();
  return { loss, afterMs };
}
