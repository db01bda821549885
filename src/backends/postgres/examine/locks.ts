import type { ForeignLock } from '../../../core/examination.js';
import { isPrintable } from '../../../core/ascii.js';
import type { LockName } from '../../../core/name.js';
import type { Commands } from '../commands.js';
import { askKey, turnKey } from '../sql/common.js';
import { identifier, literal } from '../sql/text.js';

/** A session that has something of this name locked, as `pg_locks` shows it. */
export interface Locker {
  readonly kind: 'row' | 'take' | 'check' | 'table' | 'hashtext' | 'hashtextextended';
  readonly pid: number;
  /** What picks it out of `pg_locks`, as a condition. */
  readonly which: string;
  readonly user: string | null;
  readonly app: string | null;
  /** Null where this role may not see it. */
  readonly state: string | null;
  readonly ageMs: number | null;
  readonly mode: string;
}

/** What is found without touching our tables, which somebody may have locked. */
export interface LocksSeen {
  readonly installed: boolean;
  /** A table of ours can be neither read nor written. */
  readonly blocked: boolean;
  readonly lockers: readonly Locker[];
  /** Other schemas that have such tables, and that this role may read. */
  readonly schemas: readonly string[];
}

const session = (pid: string) =>
  `'pid', ${pid}, 'user', a.usename, 'app', a.application_name, 'state', a.state, 'ageMs', round(extract(epoch FROM clock_timestamp() - a.xact_start) * 1000)`;

/** A session that waits for somebody else has only what it needs for one of our own calls. */
const waitsForNobody = (pid: string) => `NOT EXISTS (SELECT FROM pg_locks w WHERE w.pid = ${pid} AND NOT w.granted)`;

/** Reads catalogs only. Asks hold their key shared, and grants theirs alone: what others hold otherwise is held by a transaction of an application. */
const question = (schema: string, stored: string, plain: string | undefined): string => {
  const s = identifier(schema);
  const advisory: readonly (readonly [kind: Locker['kind'], key: string])[] = [
    ['take', askKey(s, literal(stored))],
    ['check', turnKey(s, literal(stored))],
    ...(plain === undefined
      ? []
      : ([
          ['hashtext', `hashtext(${literal(plain)})::bigint`],
          ['hashtextextended', `hashtextextended(${literal(plain)}, 0)`],
        ] as const)),
  ];
  const keys = advisory.map(([kind, key]) => `SELECT ${literal(kind)} AS kind, ${key} AS key`);
  return `WITH t AS (SELECT c.oid, c.relname FROM pg_class c JOIN pg_namespace n ON c.relnamespace = n.oid
    WHERE n.nspname = ${literal(schema)} AND c.relname IN ('leases', 'readers', 'waiters')),
k AS (${keys.join(' UNION ALL ')}),
found AS (
  SELECT k.kind, l.pid, l.mode, 'locktype = ''advisory'' AND classid = ' || l.classid || ' AND objid = ' || l.objid AS which
    FROM pg_locks l JOIN k ON l.locktype = 'advisory' AND l.objsubid = 1 AND (l.classid::bigint << 32 | l.objid::bigint) = k.key
    WHERE l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND (k.kind NOT IN ('take', 'check') OR (k.kind = 'take') = (l.mode = 'ExclusiveLock'))
  UNION ALL SELECT 'table', l.pid, l.mode, 'locktype = ''relation'' AND relation = ' || l.relation FROM pg_locks l JOIN t ON l.relation = t.oid
    WHERE l.granted AND l.locktype = 'relation' AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
)
SELECT json_build_object(
  'installed', EXISTS (SELECT FROM t WHERE relname = 'leases'),
  'blocked', EXISTS (SELECT FROM found WHERE mode = 'AccessExclusiveLock'),
  'lockers', (SELECT coalesce(json_agg(json_build_object('kind', f.kind, 'mode', f.mode, 'which', f.which, ${session('f.pid')})), '[]')
    FROM found f LEFT JOIN pg_stat_activity a ON a.pid = f.pid WHERE f.pid <> pg_backend_pid() AND ${waitsForNobody('f.pid')}),
  'schemas', (SELECT coalesce(json_agg(n.nspname), '[]') FROM pg_class c JOIN pg_namespace n ON c.relnamespace = n.oid
    WHERE c.relname = 'leases' AND c.relkind = 'r' AND n.nspname <> ${literal(schema)} AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
      AND 4 = (SELECT count(*) FROM pg_attribute WHERE attrelid = c.oid AND attname IN ('fence', 'owner', 'expires', 'free_since')))
)::text AS r`;
};

/** Sessions that have this row locked: who locks a row leaves the number of its transaction there. */
export const rowLockers = (leases: string, stored: string): string =>
  `(SELECT coalesce(json_agg(json_build_object('kind', 'row', 'mode', l.mode, 'which', 'transactionid = ''' || l.transactionid || '''', ${session('l.pid')})), '[]')
    FROM ${leases} r JOIN pg_locks l ON l.locktype = 'transactionid' AND l.transactionid = r.xmax LEFT JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE r.name = ${literal(stored)} AND l.granted AND l.pid <> pg_backend_pid() AND ${waitsForNobody('l.pid')})`;

/** @throws BackendUnavailableError, OutcomeUnknownError */
export async function locksSeen(
  commands: Commands,
  schema: string,
  stored: string,
  { text }: LockName,
  timeoutMs: number,
): Promise<LocksSeen> {
  const asked = question(schema, stored, isPrintable(text) ? text : undefined);
  return JSON.parse((await commands.query(asked, 'looking who has locked the name', timeoutMs)) ?? '{}') as LocksSeen;
}

/** What a lock of each kind is, for people. */
const shapes: Record<Locker['kind'], readonly [library: string | undefined, shape: string]> = {
  row: [undefined, 'a lock on the row of the name'],
  take: ['holdfast', 'a transaction that took the name for itself with acquireIn()'],
  check: ['holdfast', 'a transaction that outlives the lease that acquireIn() checked'],
  table: [undefined, 'a lock on the whole table'],
  hashtext: ['pg_advisory_lock', 'an advisory lock on hashtext(name)'],
  hashtextextended: ['pg_advisory_lock', 'an advisory lock on hashtextextended(name, 0)'],
};

export function foreignLock({ kind, pid, which, user, app, state, ageMs }: Locker, schema: string): ForeignLock {
  const [library, shape] = shapes[kind];
  const who = `session ${pid}${user === null ? '' : ` of ${user}`}${app ? ` (${app})` : ''}`;
  const since = ageMs === null ? '' : ` for ${Math.round(ageMs / 1_000)} s`;
  // Of a row: with the transaction. Each of our own calls locks it for a moment, and two of them are not one that stays.
  const places: Partial<Record<Locker['kind'], string>> = {
    row: `${schema}.leases, ${which}`,
    table: `${schema}.leases, process ${pid}`,
  };
  return {
    key: places[kind] ?? `pg_locks, process ${pid}`,
    library,
    shape,
    expiresInMs: undefined,
    endsWith: `${who}${state === null ? '' : `, ${state}${since}`}`,
    look: `psql -c "SELECT pid, usename, application_name, state, xact_start, query FROM pg_stat_activity WHERE pid = ${pid}"`,
    remove: `psql -c "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE pid = ${pid} AND granted AND ${which} LIMIT 1"`,
  };
}
