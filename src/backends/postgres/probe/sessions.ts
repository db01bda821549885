import type { Finding } from '../../../core/backend.js';
import type { Facts } from './facts.js';

const idleMsMax = 5_000;
const oldestMsMax = 3_600_000;
const connectionsRatioMax = 0.85;
const queueRatioMax = 0.5;

/** What sessions do, ours and others'. */
export function sessions({ settings, connections, idle, oldestMs, notifyUsage }: Facts): readonly Finding[] {
  const found: Finding[] = [];
  const most = Number(settings['max_connections']) - Number(settings['superuser_reserved_connections']);
  if (connections >= most * connectionsRatioMax) {
    found.push({
      severity: connections >= most ? 'critical' : 'warning',
      what: `${connections} of ${most} connections are in use`,
      why: 'a process that gets none cannot renew what it holds',
      fix: 'put a pooler in front, make the pools smaller, or raise max_connections',
    });
  }
  for (const { pid, user, ageMs } of idle.filter(({ ageMs: age }) => age > idleMsMax)) {
    found.push({
      severity: 'warning',
      what: `session ${pid}${user === null ? '' : ` of ${user}`} has been idle for ${Math.round(ageMs / 1_000)} s in a transaction that holds locks on our tables`,
      why: 'a name whose row it has locked can be neither granted nor released before it ends, and renewed only if the row is locked by acquireIn()',
      fix: `SELECT pg_terminate_backend(${pid}); and for the next time: ALTER DATABASE … SET idle_in_transaction_session_timeout = '30s';`,
    });
  }
  if (oldestMs !== null && oldestMs > oldestMsMax) {
    found.push({
      severity: 'warning',
      what: `a transaction has been open for ${Math.round(oldestMs / 60_000)} minutes`,
      why: 'until it ends, no dead row can be taken out, and every renewal leaves one: our tables grow, and calls become slower',
      fix: 'SELECT pid, usename, query FROM pg_stat_activity ORDER BY xact_start NULLS LAST LIMIT 1; and end it',
    });
  }
  if (notifyUsage > queueRatioMax) {
    found.push({
      severity: 'warning',
      what: `the queue of notifications is ${Math.round(notifyUsage * 100)} % full`,
      why: 'when it is almost full, waiters are not woken any more and poll. A session that listens, and is in a long transaction, holds it up',
      fix: 'end the oldest transaction of a session that listens',
    });
  }
  return found;
}
