import assert from 'node:assert/strict';
import type { PostgresServer } from './postgres-server.js';

/** Fails if anything is left when nobody holds or waits but fences, and owners that must not come back, for a time. */
export async function assertTablesClean(server: PostgresServer, schema = 'holdfast'): Promise<void> {
  if ((await server.value('SELECT to_regclass($1)', [`${schema}.meta`])) === null) return;
  const left = await server.rows(
    `SELECT 'held' AS what, name FROM ${schema}.leases WHERE expires > clock_timestamp()
     UNION ALL SELECT 'reader', name FROM ${schema}.readers WHERE expires > clock_timestamp()
     UNION ALL SELECT 'waiter', name FROM ${schema}.waiters WHERE seen > clock_timestamp() - interval '20 seconds'
     UNION ALL SELECT 'ended for long', name FROM ${schema}.ended WHERE until > clock_timestamp() + interval '61 seconds'`,
  );
  assert.deepEqual(left, [], 'nothing but fences, and owners that must not come back, may be left');
}
