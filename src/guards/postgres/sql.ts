import { InvalidArgumentError } from '../../core/errors.js';

// Statements go out in the simple protocol with their values in the text: one round trip with every client, and through every pooler. All
// that is quoted is ASCII: no encoding can read another character into it.

export function literal(value: string): string {
  // E'…' means the same whatever standard_conforming_strings is.
  return `E'${value.replace(/['\\]/g, '$&$&')}'`;
}

export function identifier(name: string): string {
  return `"${name.replace(/"/g, '""')}"`;
}

/** @throws InvalidArgumentError */
export function checkedSchema(schema: unknown = 'holdfast'): string {
  // 63 bytes is what the server keeps of an identifier; the rest it cuts off in silence.
  if (typeof schema === 'string' && /^[A-Za-z_][A-Za-z0-9_]{0,62}$/.test(schema) && !schema.startsWith('pg_')) return schema;
  throw new InvalidArgumentError(
    `schema must be 1 to 63 letters, digits and "_", must not begin with a digit or "pg_", and is ${JSON.stringify(schema)}`,
  );
}

/** Nobody writes to the marks but through these functions, and who has no right to the schema is told why a write is refused. */
const definer = 'SECURITY DEFINER SET search_path = pg_catalog, pg_temp';

/**
 * The marks, one row for each resource, for ever; and what is done with them. Every check writes the row, so that the transaction holds
 * its lock until it ends: the order of the fences is the order of the commits. `tx` and `tx_at` say which transaction checked last; both, since
 * numbers of transactions start over in a database that was restored elsewhere.
 *
 * Functions carry a version: what was released never changes, so that processes with two versions of this library can share them.
 */
const definitions = (s: string): string => `
CREATE TABLE IF NOT EXISTS ${s}.marks (
  resource text COLLATE "C" PRIMARY KEY,
  fence bigint NOT NULL CHECK (fence > 0),
  tx xid8 NOT NULL,
  tx_at timestamptz NOT NULL
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

-- Raises the mark if the fence is not below it, and answers the mark. Either way the row is locked until the transaction ends.
CREATE OR REPLACE FUNCTION ${s}.v1_mark_raise(_resource text, _fence bigint, _wait_ms integer) RETURNS bigint LANGUAGE plpgsql ${definer} AS $holdfast$
DECLARE
  _before text := current_setting('lock_timeout');
  _mark bigint;
BEGIN
  PERFORM set_config('lock_timeout', _wait_ms::text, true);
  -- A mark that was answered for must not be lost in a crash.
  IF current_setting('synchronous_commit') = 'off' THEN PERFORM set_config('synchronous_commit', 'on', true); END IF;
  INSERT INTO ${s}.marks AS m (resource, fence, tx, tx_at) VALUES (_resource, _fence, pg_current_xact_id(), now())
    ON CONFLICT (resource) DO UPDATE SET fence = EXCLUDED.fence, tx = EXCLUDED.tx, tx_at = EXCLUDED.tx_at WHERE m.fence <= EXCLUDED.fence
    RETURNING m.fence INTO _mark;
  IF _mark IS NULL THEN SELECT fence INTO STRICT _mark FROM ${s}.marks WHERE resource = _resource; END IF;
  PERFORM set_config('lock_timeout', _before, true);
  RETURN _mark;
END $holdfast$;

-- The same, for somebody else's transaction.
CREATE OR REPLACE FUNCTION ${s}.v1_mark_check(_resource text, _fence bigint, _wait_ms integer) RETURNS bigint LANGUAGE plpgsql ${definer} AS $holdfast$
BEGIN
  -- BEGIN was a statement of its own, so in a transaction the two differ.
  IF now() = statement_timestamp() THEN RAISE EXCEPTION USING ERRCODE = 'HF003', MESSAGE = 'not in a transaction'; END IF;
  RETURN ${s}.v1_mark_raise(_resource, _fence, _wait_ms);
END $holdfast$;

CREATE OR REPLACE FUNCTION ${s}.v1_mark(_resource text) RETURNS bigint LANGUAGE sql STABLE ${definer} AS $holdfast$
  SELECT fence FROM ${s}.marks WHERE resource = _resource
$holdfast$;

-- A resource as it is stored: the same encoding as in the library.
CREATE OR REPLACE FUNCTION ${s}.v1_resource(_text text) RETURNS text LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $holdfast$
DECLARE
  _encoded text := '';
  _code integer;
BEGIN
  IF _text !~ '[^ -$&-~]' THEN RETURN _text; END IF;
  FOR _i IN 1..length(_text) LOOP
    _code := ascii(substr(_text, _i, 1));
    _encoded := _encoded || CASE
      WHEN _code < 32 OR _code = 37 OR _code = 127 THEN '%' || upper(lpad(to_hex(_code), 2, '0'))
      WHEN _code < 127 THEN chr(_code)
      WHEN _code < 65536 THEN '%u' || upper(lpad(to_hex(_code), 4, '0'))
      ELSE '%u' || upper(to_hex(55296 + ((_code - 65536) >> 10))) || '%u' || upper(to_hex(56320 + ((_code - 65536) & 1023)))
    END;
  END LOOP;
  RETURN _encoded;
END $holdfast$;

-- For writers in other languages, and for a person in psql.
CREATE OR REPLACE FUNCTION ${s}.check_fence(resource text, fence bigint) RETURNS void LANGUAGE plpgsql AS $holdfast$
DECLARE
  _mark bigint := ${s}.v1_mark_check(${s}.v1_resource(resource), fence, 5000);
BEGIN
  IF _mark > fence THEN
    RAISE EXCEPTION USING ERRCODE = 'HF004', MESSAGE = format('fence %s has been seen for %L, and %s is refused', _mark, resource, fence), HINT = 'somebody else has taken over: roll back, and stop';
  END IF;
END $holdfast$;

-- Whether this very transaction has checked a fence for it. Then it holds the lock of the row, and nobody can have raised the mark since.
CREATE OR REPLACE FUNCTION ${s}.v1_mark_require(_resource text, _table text) RETURNS void LANGUAGE plpgsql ${definer} AS $holdfast$
BEGIN
  IF NOT EXISTS (SELECT FROM ${s}.marks WHERE resource = ${s}.v1_resource(_resource) AND tx = pg_current_xact_id() AND tx_at = now()) THEN
    RAISE EXCEPTION USING ERRCODE = 'HF005', MESSAGE = format('%s is guarded: this transaction has checked no fence for %L', _table, _resource),
      HINT = 'write through a guard of Holdfast, or check first, in the same transaction: SELECT ${s.replaceAll('"', '')}.check_fence(resource, fence)';
  END IF;
END $holdfast$;

-- Arguments: what the resource starts with, and the column that it ends with, if any. The column goes through the output function of its type, never
-- through a cast (that of to_jsonb, or to text), which whoever owns the type could have written, and which would run with the rights of this function.
CREATE OR REPLACE FUNCTION ${s}.v1_enforce() RETURNS trigger LANGUAGE plpgsql ${definer} AS $holdfast$
DECLARE
  _old text;
  _new text;
  _ending text;
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    RAISE EXCEPTION USING ERRCODE = 'HF005', MESSAGE = format('%s is guarded, and TRUNCATE would pass by its fences', TG_TABLE_NAME), HINT = 'use DELETE under a fence, or disable the trigger';
  END IF;
  IF TG_NARGS > 1 THEN _ending := format('SELECT format(''%%s'', ($1).%I)', TG_ARGV[1]); END IF;
  IF TG_OP <> 'INSERT' THEN
    _old := '';
    IF _ending IS NOT NULL THEN EXECUTE _ending INTO _old USING OLD; END IF;
    _old := TG_ARGV[0] || _old;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    _new := '';
    IF _ending IS NOT NULL THEN EXECUTE _ending INTO _new USING NEW; END IF;
    _new := TG_ARGV[0] || _new;
  END IF;
  IF _old IS NOT NULL THEN PERFORM ${s}.v1_mark_require(_old, TG_TABLE_NAME); END IF;
  IF _new IS NOT NULL AND _new IS DISTINCT FROM _old THEN PERFORM ${s}.v1_mark_require(_new, TG_TABLE_NAME); END IF;
  RETURN NULL;
END $holdfast$;
`;

/** Any number that nobody else is likely to have: one process at a time installs. */
const setupKey = 7_310_579_464_812_066_913n;

/** Everything as one text, which the server takes for one transaction. It may run again. */
export function installation(schema: string): string {
  const s = identifier(schema);
  return `SET LOCAL lock_timeout = 4000; SELECT pg_advisory_xact_lock(${setupKey});
DO $setup$
BEGIN
  -- It needs a right of its own, also with IF NOT EXISTS.
  IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = ${literal(schema)}) THEN CREATE SCHEMA ${s}; END IF;
EXCEPTION WHEN unique_violation OR duplicate_schema THEN
  -- Somebody else, who does not know of our lock, has created it meanwhile.
END $setup$;
${definitions(s)}`;
}

/**
 * What a guard runs on its first use, as SQL for psql or a migration: where the application's role may not create a schema. May
 * run again.
 *
 * @param options.schema as given to `postgresGuard()`; default: `holdfast`
 * @param options.role whom to allow the use of it: the role of the application, if another one runs this. It can raise marks, and not lower them
 * @throws InvalidArgumentError
 */
export function setupSql({ schema, role }: { readonly schema?: string; readonly role?: string } = {}): string {
  const checked = checkedSchema(schema);
  const grants = role === undefined ? '' : `GRANT USAGE ON SCHEMA ${identifier(checked)} TO ${identifier(role)};\n`;
  return `BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE;\n${installation(checked)}\n${grants}COMMIT;\n`;
}

export interface Enforcement {
  /** The table to be guarded: `accounts`, or `bank.accounts`. */
  readonly table: string;
  /** What the resource of a row starts with; the whole of it where there is no column. */
  readonly resource: string;
  /** The column whose value comes after it: an integer, a uuid, or a text. */
  readonly column?: string;
  /** Of the marks, as given to `postgresGuard()`. */
  readonly schema?: string;
}

/**
 * SQL that makes a table refuse every write of a transaction that has checked no fence for the row's resource, whoever writes: also by hand, and
 * from programs that know nothing of Holdfast. Run it once, as the owner of the table, after `setup()`.
 *
 * `{ table: 'accounts', resource: 'account:', column: 'id' }`: a row with the id 7 has the resource `account:7`.
 *
 * @throws InvalidArgumentError
 */
export function enforceSql({ table, resource, column, schema }: Enforcement): string {
  const s = identifier(checkedSchema(schema));
  const on = qualified(table);
  const args = [resource, ...(column === undefined ? [] : [column])].map(unicode).join(', ');
  return `BEGIN;
DROP TRIGGER IF EXISTS holdfast_fence ON ${on};
DROP TRIGGER IF EXISTS holdfast_fence_truncate ON ${on};
CREATE TRIGGER holdfast_fence AFTER INSERT OR UPDATE OR DELETE ON ${on} FOR EACH ROW EXECUTE FUNCTION ${s}.v1_enforce(${args});
CREATE TRIGGER holdfast_fence_truncate BEFORE TRUNCATE ON ${on} FOR EACH STATEMENT EXECUTE FUNCTION ${s}.v1_enforce(${args});
COMMIT;
`;
}

/** @throws InvalidArgumentError */
function qualified(table: string): string {
  const parts = typeof table === 'string' ? table.split('.') : [];
  if (parts.length < 1 || parts.length > 2 || parts.some((part) => part === '')) {
    throw new InvalidArgumentError(
      `table is ${JSON.stringify(table)}: give a name, or schema.name, without quotes and in the case that the server has it in`,
    );
  }
  return parts.map(identifier).join('.');
}

/** Arguments of a trigger are string constants. This text goes through psql, not through us: its encoding is that of the file. */
function unicode(text: string): string {
  if (typeof text !== 'string' || text.includes('\0'))
    throw new InvalidArgumentError('resource and column are texts without NUL');
  return literal(text);
}
