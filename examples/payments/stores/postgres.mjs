import { Redis } from 'ioredis';
import pg from 'pg';
import { Holdfast } from 'holdfast';
import { httpPublisher, relay } from 'holdfast/outbox';
import { postgresDatabase, postgresRecords } from 'holdfast/postgres';
import { redis } from 'holdfast/redis';
import { times } from '../times.mjs';
import { PostgresLedger } from './postgres-ledger.mjs';

/** PostgreSQL for records, ledger and outbox, so that one transaction can write to all of them; Redis for the locks of elections. */
export async function openPostgres({ ports, guards }) {
  const pool = new pg.Pool({
    host: '127.0.0.1',
    port: ports.postgres,
    user: 'payments',
    database: 'postgres',
    max: 10,
    connectionTimeoutMillis: times.storeTimeoutMs,
    query_timeout: times.storeTimeoutMs,
    // A worker that is frozen in the middle of a transaction must not block the others for good.
    idle_in_transaction_session_timeout: times.storeTimeoutMs,
  });
  // Connections break here. Whoever waits for an answer is told; of the others nobody needs to know.
  pool.on('error', () => {});
  pool.on('connect', (connection) => connection.on('error', () => {}));
  const client = new Redis(ports.redis, '127.0.0.1');
  client.on('error', () => {});

  const database = postgresDatabase(pool);
  const records = postgresRecords(pool);
  const ledger = new PostgresLedger(pool, database, { guards });
  const locks = new Holdfast(redis(client));
  return {
    records,
    ledger,
    locks,
    setUp: () => ledger.setUp(),
    relay(url) {
      const running = relay(database, httpPublisher({ url }), { ttlMs: times.termTtlMs });
      return { close: () => running.stop() };
    },
    async close() {
      await locks.close();
      client.disconnect();
      await records.close();
      await database.close();
      await pool.end();
    },
  };
}
