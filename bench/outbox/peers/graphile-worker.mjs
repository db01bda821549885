import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import { emptied, inTransaction } from './shared.mjs';

const logger = new Logger(() => () => {});

export async function open({ pool, keyOf }) {
  const utils = await makeWorkerUtils({ pgPool: pool, logger });
  await utils.migrate();
  const queues = keyOf(0) !== undefined;
  return {
    write: (numbers) =>
      inTransaction(pool, (tx) =>
        tx.query(
          `SELECT graphile_worker.add_jobs(array_agg(ROW('bench', json_build_object('n', n), q, NULL, NULL, NULL, NULL, NULL)::graphile_worker.job_spec))
             FROM unnest($1::int[], $2::text[]) AS t(n, q)`,
          [numbers, numbers.map((n) => keyOf(n) ?? null)],
        ),
      ),
    settle: () => pool.query('VACUUM ANALYZE'),
    relay(handled) {
      const task = ({ n }) => handled(n);
      const worker = { concurrentJobs: 32, ...(queues ? {} : { localQueue: { size: 1_000 } }), completeJobBatchDelay: 1 };
      const running = run({
        pgPool: pool,
        logger,
        noHandleSignals: true,
        taskList: { bench: async (payload) => task(payload) },
        preset: { worker },
      });
      running.catch((error) => process.send({ out: `failed: ${error.message}` }));
    },
    drained: () => emptied(pool, 'SELECT EXISTS (SELECT FROM graphile_worker._private_jobs) AS r'),
  };
}
