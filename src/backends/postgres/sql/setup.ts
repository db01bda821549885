import { abandon } from './abandon.js';
import { acquire } from './acquire.js';
import { common } from './common.js';
import { seed } from './keys.js';
import { list } from './list.js';
import { records } from './records.js';
import { release } from './release.js';
import { renew } from './renew.js';
import { revoke } from './revoke.js';
import { sweep } from './sweep.js';
import { tables } from './tables.js';
import { identifier, literal } from './text.js';
import { transaction } from './transaction.js';
import { version } from './version.js';

const parts = [tables, common, acquire, release, abandon, renew, revoke, list, sweep, transaction, records] as const;

/** Everything that Holdfast needs in a schema, as statements that may run again. */
export function definitions(schema: string): string {
  const s = identifier(schema);
  return parts.map((part) => part(s)).join('\n');
}

/**
 * An installation as one text, which the server takes for one transaction: one process at a time, whatever it installs, and only where
 * something is missing.
 *
 * `CREATE SCHEMA` is asked for only where the schema is missing: it needs a right of its own, also with IF NOT EXISTS.
 */
export function installationOf(schema: string, statements: string): string {
  const quoted = literal(schema);
  return `SELECT pg_advisory_xact_lock(${seed(`setup ${schema}`)});
DO $setup$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = ${quoted}) THEN EXECUTE 'CREATE SCHEMA ' || quote_ident(${quoted}); END IF;
EXCEPTION WHEN unique_violation OR duplicate_schema THEN
  -- Somebody else, who does not know of our lock, has created it meanwhile.
END $setup$;
${statements}`;
}

/** Functions that are called, and what creates them. */
export interface Installation {
  /** Their names begin with it: `v1_`. */
  readonly version: number;
  readonly statements: string;
  /** Who else has the statements, for advice: a feature, of whose functions these are; none for those of the locks and records. */
  readonly definitions?: string;
}

/** That of the locks and records. */
export function installation(schema: string): Installation {
  const statements = `${definitions(schema)}
INSERT INTO ${identifier(schema)}.meta VALUES (${version}, clock_timestamp(), clock_timestamp()) ON CONFLICT DO NOTHING;`;
  return { version, statements: installationOf(schema, statements) };
}

/** What a role needs that did not install it. */
export function grants(schema: string, role: string): string {
  const s = identifier(schema);
  const to = identifier(role);
  return `GRANT USAGE ON SCHEMA ${s} TO ${to};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${s} TO ${to};
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ${s} TO ${to};`;
}
