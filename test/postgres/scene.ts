import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import type { PostgresOptions } from '../../src/backends/postgres/index.js';
import type { Backend } from '../../src/core/backend.js';
import { Holdfast } from '../../src/core/holdfast.js';
import type { Lease } from '../../src/core/lease.js';
import type { HoldfastOptions } from '../../src/core/options.js';
import { FaultProxy } from '../../src/testkit/faults/proxy.js';
import { Crowd } from '../support/crowd.js';
import { openPostgres } from '../support/postgres-clients.js';
import { PostgresServer } from '../support/postgres-server.js';
import { assertTablesClean } from '../support/postgres-tables.js';
import { Sink } from '../support/sink.js';

export interface HolderOptions extends HoldfastOptions {
  readonly library?: string;
  /** Where the store is reached, if not directly. */
  readonly port?: number;
  readonly postgres?: PostgresOptions;
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
