import pg from 'pg';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { type PostgresDatabaseOptions, postgresDatabase } from '../../../src/backends/postgres/index.js';
import type { Database } from '../../../src/core/database.js';
import {
  type Json,
  type OutboxEvent,
  type OutboxMessage,
  outbox,
  type Publisher,
  type Relay,
  type RelayOptions,
  relay,
  type WrittenEvent,
} from '../../../src/outbox/index.js';
import { PostgresServer } from '../../support/postgres-server.js';
import { until } from '../../support/waits.js';

/** A real server, and what is opened on it; after each test the outbox is gone. */
export class Scene {
  server!: PostgresServer;
  readonly #pools: pg.Pool[] = [];
  readonly #relays: Relay[] = [];
  readonly #transactions: Transaction[] = [];

  /** @param settings of the server */
  constructor(...settings: readonly string[]) {
    beforeAll(async () => {
      this.server = await PostgresServer.start(...settings);
    });
    afterEach(async () => {
      // Those of a test that failed are still open, and the schema would wait for them.
      for (const { client } of this.#transactions.splice(0)) void client.end().catch(() => {});
      await Promise.all(this.#relays.splice(0).map((one) => one.stop()));
      await Promise.all(this.#pools.splice(0).map((pool) => pool.end()));
      await this.server.rows('DROP SCHEMA IF EXISTS holdfast CASCADE');
    });
    afterAll(() => this.server.stop());
  }

  pool(max = 8, url = this.server.url): pg.Pool {
    const pool = new pg.Pool({ connectionString: url, max });
    pool.on('error', () => {});
    this.#pools.push(pool);
    return pool;
  }

  database(options?: PostgresDatabaseOptions, url?: string): Database {
    return postgresDatabase(this.pool(8, url), options);
  }

  /** Commits one event for each. */
  async write(...events: readonly OutboxEvent[]): Promise<readonly WrittenEvent[]> {
    const [tx, box] = [this.transaction(), outbox(this.database())];
    await tx.begin();
    const written = await box.write(tx.client, events);
    await tx.end('COMMIT');
    return written;
  }

  transaction(): Transaction {
    const opened = new Transaction(this.server.client());
    this.#transactions.push(opened);
    return opened;
  }

  relay(publisher: Publisher, options?: RelayOptions, database = this.database()): Relay {
    const started = relay(database, publisher, options);
    this.#relays.push(started);
    return started;
  }

  /** Waits until everything is published, or cannot be. */
  async drained(left = 0, withinMs = 20_000): Promise<void> {
    await until(
      async () => (await this.server.value('SELECT count(*)::int FROM holdfast.outbox_events')) === left,
      `${left} events are left`,
      withinMs,
    );
  }
}

/** A connection with a transaction on it. */
export class Transaction {
  readonly client: pg.Client;

  constructor(client: pg.Client) {
    this.client = client;
    client.on('error', () => {});
  }

  async begin(how = 'BEGIN'): Promise<void> {
    await this.client.connect();
    await this.client.query(how);
  }

  async end(how: 'COMMIT' | 'ROLLBACK'): Promise<void> {
    await this.client.query(how);
    await this.client.end();
  }
}

/** Remembers what it was given. */
export class Collector {
  readonly got: OutboxMessage[] = [];
  readonly #refuse: (message: OutboxMessage) => unknown;

  /** @param refuse what to throw for a message, if anything */
  constructor(refuse: (message: OutboxMessage) => unknown = () => undefined) {
    this.#refuse = refuse;
  }

  async publishOne(message: OutboxMessage): Promise<void> {
    const error = this.#refuse(message);
    if (error !== undefined) throw error;
    this.got.push(message);
  }

  payloads(key?: string): readonly Json[] {
    return this.got.filter((message) => key === undefined || message.key === key).map(({ payload }) => payload);
  }
}

export function event(key: string | undefined, payload: Json): OutboxEvent {
  return { key, type: 'test', payload };
}
