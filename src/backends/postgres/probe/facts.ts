import type { Commands } from '../commands.js';
import { literal } from '../sql/text.js';
import { v } from '../sql/version.js';

/** One of our tables, as the statistics have it. */
export interface Table {
  readonly name: string;
  readonly live: number;
  readonly dead: number;
  readonly bytes: number;
  readonly unlogged: boolean;
  readonly allowed: boolean;
  readonly vacuumed: boolean;
}

/** What the server says of itself. */
export interface Facts {
  readonly version: number;
  readonly recovery: boolean;
  readonly epochMs: number;
  readonly settings: Readonly<Record<string, string>>;
  readonly role: string;
  readonly database: string;
  readonly standbys: readonly { readonly name: string; readonly sync: string | null; readonly lagMs: number | null }[];
  readonly connections: number;
  readonly installed: boolean;
  /** The functions of this version are there. */
  readonly upToDate: boolean;
  readonly mayUse: boolean;
  readonly mayCreate: boolean;
  readonly tables: readonly Table[];
  /** Transactions of others that have a lock on our tables and do nothing, longest first. */
  readonly idle: readonly { readonly pid: number; readonly user: string | null; readonly ageMs: number }[];
  /** Age of the oldest transaction: until it ends, no vacuum takes out what died since. */
  readonly oldestMs: number | null;
  readonly notifyUsage: number;
}

const settings = [
  'synchronous_commit',
  'synchronous_standby_names',
  'fsync',
  'full_page_writes',
  'autovacuum',
  'default_transaction_isolation',
  'default_transaction_read_only',
  'max_connections',
  'superuser_reserved_connections',
  'statement_timeout',
  'idle_in_transaction_session_timeout',
];

const ms = (interval: string) => `round(extract(epoch FROM ${interval}) * 1000)`;

/** All in one statement, which reads only. Times that no role may read are null. */
const question = (schema: string): string => `WITH s AS (SELECT oid FROM pg_namespace WHERE nspname = ${literal(schema)}),
t AS (SELECT c.oid, c.relname, c.relpersistence FROM pg_class c JOIN s ON c.relnamespace = s.oid WHERE c.relkind = 'r')
SELECT json_build_object(
  'version', current_setting('server_version_num')::int, 'recovery', pg_is_in_recovery(), 'epochMs', ${ms('clock_timestamp()')},
  'role', current_user, 'database', current_database(),
  'settings', (SELECT json_object_agg(name, setting) FROM pg_settings WHERE name = ANY (ARRAY[${settings.map(literal).join(',')}])),
  'standbys', (SELECT coalesce(json_agg(json_build_object('name', application_name, 'sync', sync_state, 'lagMs', ${ms('replay_lag')})), '[]') FROM pg_stat_replication),
  'connections', (SELECT count(*) FROM pg_stat_activity WHERE backend_type IS NULL OR backend_type = 'client backend'),
  'installed', EXISTS (SELECT FROM t WHERE relname = 'leases'),
  'upToDate', EXISTS (SELECT FROM pg_proc p JOIN s ON p.pronamespace = s.oid WHERE p.proname = '${v}_acquire'),
  'mayUse', coalesce((SELECT has_schema_privilege(oid, 'USAGE') FROM s), true),
  'mayCreate', coalesce((SELECT has_schema_privilege(oid, 'CREATE') FROM s), has_database_privilege(current_database(), 'CREATE')),
  'tables', (SELECT coalesce(json_agg(json_build_object('name', t.relname, 'live', coalesce(u.n_live_tup, 0), 'dead', coalesce(u.n_dead_tup, 0),
      'bytes', pg_table_size(t.oid), 'unlogged', t.relpersistence <> 'p', 'vacuumed', coalesce(u.autovacuum_count + u.vacuum_count, 0) > 0,
      'allowed', has_table_privilege(t.oid, 'SELECT') AND has_table_privilege(t.oid, 'INSERT') AND has_table_privilege(t.oid, 'UPDATE') AND has_table_privilege(t.oid, 'DELETE'))), '[]')
    FROM t LEFT JOIN pg_stat_user_tables u ON u.relid = t.oid),
  'idle', (SELECT coalesce(json_agg(json_build_object('pid', a.pid, 'user', a.usename, 'ageMs', ${ms('clock_timestamp() - a.xact_start')}) ORDER BY a.xact_start), '[]')
    FROM pg_stat_activity a WHERE a.pid <> pg_backend_pid() AND a.state LIKE 'idle in transaction%'
      AND EXISTS (SELECT FROM pg_locks l JOIN t ON l.relation = t.oid WHERE l.pid = a.pid AND l.mode IN ('RowShareLock', 'RowExclusiveLock'))),
  'oldestMs', (SELECT max(${ms('clock_timestamp() - xact_start')}) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'),
  'notifyUsage', CASE WHEN pg_is_in_recovery() THEN 0 ELSE pg_notification_queue_usage() END)::text AS r`;

/** @throws BackendUnavailableError, OutcomeUnknownError */
export async function factsOf(commands: Commands, schema: string, timeoutMs: number): Promise<Facts> {
  return JSON.parse((await commands.query(question(schema), 'looking at the server', timeoutMs)) ?? '{}') as Facts;
}
