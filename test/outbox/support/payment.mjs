// One request whose handler does all in one transaction: `payment.mjs <postgres url> <key> <leaseTtlMs> <step after which to wait>`.
import { createInterface } from 'node:readline';
import process from 'node:process';
import pg from 'pg';
import { postgresDatabase, postgresRecords } from './src/backends/postgres/index.js';
import { postgresGuard } from './src/guards/postgres/index.js';
import { idempotent } from './src/idempotency/index.js';
import { outbox } from './src/outbox/index.js';

const [url, key, leaseTtlMs, stopAfter] = process.argv.slice(2);
const lines = createInterface(process.stdin)[Symbol.asyncIterator]();
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const pool = new pg.Pool({ connectionString: url, max: 4 });
pool.on('error', () => {});
const [guard, events] = [postgresGuard(pool), outbox(postgresDatabase(pool))];
const charges = idempotent(postgresRecords(pool), { operation: 'charge', leaseTtlMs: Number(leaseTtlMs) });

const step = async (name, work) => {
  await work();
  if (name !== stopAfter) return;
  say({ after: name });
  await lines.next();
};

// Whoever holds a lock is thrown out by the server when it stands still; who holds none yet comes back, and meets the guard.
const idleMs = stopAfter === 'begin' ? 0 : 3_000;
let refused;

try {
  const { outcome } = await charges.run({ key }, async (turn) => {
    const write = { resource: turn.recordKey, fence: turn.fence };
    const tx = await pool.connect();
    tx.on('error', () => {});
    try {
      await step('begin', () => tx.query(`BEGIN; SET LOCAL idle_in_transaction_session_timeout = ${idleMs}`));
      await step('check', () => guard.check(tx, write));
      await step('business', () => tx.query('INSERT INTO orders VALUES ($1)', [key]));
      await step('complete', () => turn.completeIn(tx, { by: 'original' }));
      await step('write', () => events.write(tx, { key, type: 'charged', payload: { key } }));
      await step('commit', () => tx.query('COMMIT'));
    } catch (error) {
      refused = error.code;
      await tx.query('ROLLBACK').catch(() => {});
      throw error;
    } finally {
      tx.release(true);
    }
  });
  say({ outcome, refused });
} catch {
  say({ outcome: 'thrown', refused });
}
process.exit(0);
