import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { postgresDatabase, postgresRecords } from '../../src/backends/postgres/index.js';
import { postgresGuard } from '../../src/guards/postgres/index.js';
import { idempotent } from '../../src/idempotency/index.js';
import { reconciler } from '../../src/idempotency/reconcile/index.js';
import { outbox } from '../../src/outbox/index.js';
import { postgresIsMissing } from '../support/postgres-server.js';
import { Processes } from '../support/processes.js';
import { Scene } from './support/scene.js';
import { signalTo } from '../support/stand-still.js';

const leaseTtlMs = 4_000;
const steps = ['begin', 'check', 'business', 'complete', 'write', 'commit'] as const;

describe.skipIf(postgresIsMissing)('fence, business row, answer and event in one transaction', { timeout: 60_000 }, () => {
  const scene = new Scene();
  const parts = ['core', 'backends/postgres', 'guards', 'idempotency', 'outbox'];
  const processes = new Processes(parts, new URL('support/payment.mjs', import.meta.url));

  async function open() {
    const pool = scene.pool(20);
    const [records, guard, events] = [postgresRecords(pool), postgresGuard(pool), outbox(postgresDatabase(pool))];
    await pool.query('DROP TABLE IF EXISTS orders; CREATE TABLE orders (key text)');
    await Promise.all([records.get('install'), guard.setup()]);
    await scene.write({ type: 'install', payload: null });
    const charges = idempotent(records, { operation: 'charge', leaseTtlMs });
    const job = reconciler(records, {
      sinks: [guard],
      everyMs: 200,
      async resolve({ key, fence }) {
        const { rowCount } = await pool.query('SELECT FROM orders WHERE key = $1', [key]);
        if (rowCount !== 0) return { verdict: 'completed', value: { by: 'reconciler' } };
        return { verdict: 'retry', proof: { source: 'orders', notFound: key, fence } };
      },
    });
    const stopping = new AbortController();
    const running = job.run({ term: 1n, signal: stopping.signal, assertLeading: () => {} });
    /** Asks until there is an answer, as a client does. */
    const answerOf = async (key: string): Promise<string> => {
      for (;;) {
        const { outcome } = await charges.run({ key }, async (turn) => {
          const tx = await pool.connect();
          try {
            await tx.query('BEGIN');
            await guard.check(tx, { resource: turn.recordKey, fence: turn.fence });
            await tx.query('INSERT INTO orders VALUES ($1)', [key]);
            await turn.completeIn(tx, { by: 'another' });
            await events.write(tx, { key, type: 'charged', payload: { key } });
            await tx.query('COMMIT');
          } catch (error) {
            await tx.query('ROLLBACK');
            throw error;
          } finally {
            tx.release();
          }
        });
        if (outcome === 'executed' || outcome === 'replayed') return outcome;
        await sleep(100);
      }
    };
    const close = async () => {
      stopping.abort();
      await Promise.allSettled([running]);
      await charges.close();
      await records.close();
    };
    return { answerOf, close };
  }

  const sorted = (from: string, where = '') => scene.server.rows(`SELECT key FROM ${from} ${where} ORDER BY key`);

  it.each(['SIGKILL', 'SIGSTOP'] as const)(
    'comes true once, whatever the step after which its process gets a %s',
    async (signal) => {
      const { answerOf, close } = await open();
      const lives = steps.map(async (step) => {
        const worker = processes.start([scene.server.url, step, String(leaseTtlMs), step]);
        expect(await worker.next()).toEqual({ after: step });
        signalTo(worker.child, signal);
        const answer = await answerOf(step);
        if (signal === 'SIGSTOP') {
          worker.say('go on');
          worker.child.kill('SIGCONT');
          const { outcome, refused } = await worker.next();
          expect(outcome, step).not.toBe(step === 'commit' ? 'thrown' : 'executed');
          if (step === 'begin') expect(refused).toBe('STALE_FENCE');
        }
        return [step, answer];
      });
      // What was committed is told again; all else was undone, and done by another.
      expect(await Promise.all(lives)).toEqual(steps.map((step) => [step, step === 'commit' ? 'replayed' : 'executed']));
      const once = [...steps].sort().map((key) => ({ key }));
      expect(await sorted('orders')).toEqual(once);
      expect(await sorted('holdfast.outbox_events', 'WHERE key IS NOT NULL')).toEqual(once);
      await close();
    },
  );
});
