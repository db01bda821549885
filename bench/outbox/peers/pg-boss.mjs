import { setTimeout as pause } from 'node:timers/promises';
import PgBoss from 'pg-boss';
import { emptied, inTransaction } from './shared.mjs';

const queue = 'bench';

export async function open({ connectionString, pool }) {
  const boss = new PgBoss({ connectionString, max: 4, supervise: false, schedule: false });
  await boss.start();
  await boss.createQueue(queue);
  const fetched = async (handled) => {
    for (;;) {
      const jobs = await boss.fetch(queue, { batchSize: 1_000 });
      for (const { data } of jobs) handled(data.n);
      if (jobs.length > 0)
        await boss.complete(
          queue,
          jobs.map(({ id }) => id),
        );
      else await pause(10);
    }
  };
  return {
    // In the caller's transaction, as an outbox does.
    write: (numbers) =>
      inTransaction(pool, (tx) => {
        const db = { executeSql: (text, values) => tx.query(text, values) };
        return boss.insert(
          numbers.map((n) => ({ name: queue, data: { n } })),
          { db },
        );
      }),
    settle: () => pool.query('VACUUM ANALYZE'),
    relay: (handled) => void fetched(handled),
    drained: () => emptied(pool, "SELECT EXISTS (SELECT FROM pgboss.job WHERE state < 'completed') AS r"),
  };
}
