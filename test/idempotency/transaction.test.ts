import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { postgresRecords } from '../../src/backends/postgres/index.js';
import { loadDriver } from '../../src/backends/sqlite/driver.js';
import { sqliteRecords } from '../../src/backends/sqlite/index.js';
import { LeaseLostError } from '../../src/core/errors.js';
import { type Idempotent, idempotent, type Turn } from '../../src/idempotency/index.js';
import { parseRecord } from '../../src/idempotency/record.js';
import { takeFrozen } from '../../src/idempotency/reconciling.js';
import type { ClosableRecords } from '../../src/testkit/index.js';
import { postgresIsMissing } from '../support/postgres-server.js';
import { freshKey } from './scene.js';
import { kinds, type Store } from './stores.js';

/** A transaction of the application, and a row that it writes. */
interface Tx<T> {
  readonly tx: T;
  insert(key: string): Promise<void>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
}

interface Database<T> {
  readonly records: ClosableRecords;
  readonly charges: Idempotent<T>;
  begin(): Promise<Tx<T>>;
  rows(key: string): Promise<number>;
  close(): Promise<void>;
}

async function openPostgres(address: string): Promise<Database<pg.PoolClient>> {
  const pool = new pg.Pool({ connectionString: address, max: 6 });
  await pool.query('CREATE TABLE IF NOT EXISTS orders (key text)');
  const records = postgresRecords(pool);
  await records.get('install');
  return {
    records,
    charges: idempotent<pg.PoolClient>(records, { operation: 'charge', leaseTtlMs: 4_000 }),
    async begin() {
      const tx = await pool.connect();
      await tx.query('BEGIN ISOLATION LEVEL SERIALIZABLE');
      const end = async (word: string) => {
        await tx.query(word);
        tx.release();
      };
      const insert = async (key: string) => void (await tx.query('INSERT INTO orders VALUES ($1)', [key]));
      return { tx, insert, commit: () => end('COMMIT'), rollback: () => end('ROLLBACK') };
    },
    rows: async (key) => (await pool.query('SELECT FROM orders WHERE key = $1', [key])).rows.length,
    async close() {
      await records.close();
      await pool.end();
    },
  };
}

async function openSqlite(
  address: string,
): Promise<Database<Parameters<NonNullable<ReturnType<typeof sqliteRecords>['in']>>[0]>> {
  const records = sqliteRecords(address);
  await records.get('install');
  const connection = loadDriver().open(address);
  connection.exec('CREATE TABLE IF NOT EXISTS orders (key TEXT)');
  return {
    records,
    charges: idempotent(records, { operation: 'charge', leaseTtlMs: 4_000 }),
    async begin() {
      connection.exec('BEGIN IMMEDIATE');
      return {
        tx: connection,
        insert: async (key) => void connection.prepare('INSERT INTO orders VALUES (?)').run(key),
        commit: async () => void connection.exec('COMMIT'),
        rollback: async () => void connection.exec('ROLLBACK'),
      };
    },
    rows: async (key) => connection.prepare('SELECT 1 FROM orders WHERE key = ?').all(key).length,
    async close() {
      connection.close();
      await records.close();
    },
  };
}

const opens = { postgres: openPostgres, sqlite: openSqlite } as const;

describe.each(Object.entries(opens))('completed in a transaction of the caller: %s', (name, openDatabase) => {
  describe.skipIf(name === 'postgres' && postgresIsMissing)('of the same database', () => {
    let store: Store;
    let database: Database<never>;
    beforeAll(async () => {
      store = await (kinds[name] as (typeof kinds)[string]).start();
      database = (await openDatabase(store.address)) as unknown as Database<never>;
    });
    afterAll(async () => {
      await database?.charges.close();
      await database?.close();
      await store?.stop();
    });

    const charge = async (turn: Turn<never>, key: string, end: (tx: Tx<never>) => Promise<void>): Promise<string> => {
      turn.effect('order');
      const tx = await database.begin();
      try {
        await turn.completeIn(tx.tx, { order: key });
        await tx.insert(key);
      } catch (error) {
        await tx.rollback();
        throw error;
      }
      await end(tx);
      return 'not what is kept';
    };

    it('committed: the answer and the row came true together', async () => {
      const key = freshKey();
      const outcome = await database.charges.run({ key }, (turn) => charge(turn, key, (tx) => tx.commit()));
      expect(outcome).toMatchObject({ outcome: 'executed', value: { order: key } });
      expect(await database.charges.run({ key }, () => 'again')).toMatchObject({ outcome: 'replayed', value: { order: key } });
      expect(await database.rows(key)).toBe(1);
    });

    it('committed, and the handler did not hear of it: the record says so', async () => {
      const key = freshKey();
      const outcome = await database.charges.run({ key }, (turn) =>
        charge(turn, key, async (tx) => {
          await tx.commit();
          throw new Error('the connection broke');
        }),
      );
      expect(outcome).toMatchObject({ outcome: 'executed', value: { order: key } });
    });

    it('rolled back: no success is told', async () => {
      const key = freshKey();
      const outcome = await database.charges.run({ key }, (turn) => charge(turn, key, (tx) => tx.rollback()));
      expect(outcome).toMatchObject({ outcome: 'frozen', because: 'error-after-effect' });
      expect(await database.rows(key)).toBe(0);
    });

    it('frozen and taken meanwhile: refused inside the transaction', async () => {
      const key = freshKey();
      let refused: unknown;
      const outcome = await database.charges.run({ key }, async (turn) => {
        const stored = await database.records.get(turn.recordKey);
        const record = parseRecord(stored?.value ?? '');
        const frozen = {
          ...record,
          state: 'FROZEN' as const,
          frozen: { because: 'lease-ended' as const, error: undefined, atMs: 0 },
        };
        const taken = takeFrozen(frozen, { term: 1n, by: 'r' }, record.fence + 1n, 0) as typeof record;
        const { formatRecord } = await import('../../src/idempotency/record.js');
        await database.records.compareAndSet(turn.recordKey, stored?.version ?? '', formatRecord(taken), undefined);
        await charge(turn, key, (tx) => tx.commit()).catch((error: unknown) => {
          refused = error;
          throw error;
        });
      });
      expect(refused).toBeInstanceOf(LeaseLostError);
      expect(outcome).toMatchObject({ outcome: 'frozen' });
      expect(await database.rows(key)).toBe(0);
    });
  });
});
