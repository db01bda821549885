import { Redis } from 'ioredis';
import type pg from 'pg';
import type { Database } from '../../../src/core/database.js';
import { type Inbox, inbox, messageOfEntry, type OutboxMessage } from '../../../src/outbox/index.js';

/** Reads the stream, and does the work of each event in a transaction with the inbox. What comes too early is delivered again later. */
export class Consumer {
  readonly #redis: Redis;
  readonly #pool: pg.Pool;
  readonly #inbox: Inbox;
  #at = '0';
  #early: OutboxMessage[] = [];
  duplicates = 0;
  gaps = 0;

  constructor(port: number, pool: pg.Pool, database: Database) {
    this.#redis = new Redis(port);
    this.#pool = pool;
    this.#inbox = inbox(database, { consumer: 'test' });
  }

  /** All that there is. */
  async consume(): Promise<void> {
    for (;;) {
      const found = await this.#redis.xread('COUNT', 500, 'STREAMS', 'events', this.#at);
      const entries = found?.[0]?.[1] ?? [];
      if (entries.length === 0 && this.#early.length === 0) return;
      const early = this.#early;
      this.#early = [];
      for (const message of [...early, ...entries.map(([, fields]) => messageOfEntry(fields))]) await this.#take(message);
      if (entries.length === 0 && this.#early.length === early.length) return;
      this.#at = entries.at(-1)?.[0] ?? this.#at;
    }
  }

  get early(): number {
    return this.#early.length;
  }

  close(): void {
    this.#redis.disconnect();
  }

  async #take(message: OutboxMessage): Promise<void> {
    const client = await this.#pool.connect();
    try {
      await client.query('BEGIN');
      const { outcome } = await this.#inbox.accept(client, message);
      if (outcome === 'taken')
        await client.query('INSERT INTO applied (key, n) VALUES ($1, $2)', [message.key ?? null, message.payload]);
      await client.query('COMMIT');
      if (outcome === 'duplicate') this.duplicates += 1;
      if (outcome === 'gap') {
        this.gaps += 1;
        this.#early.push(message);
      }
    } finally {
      client.release();
    }
  }
}
