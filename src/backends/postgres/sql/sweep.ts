import { v, version } from './version.js';

/**
 * Takes out what nothing can depend on any more: fences of names that were not granted for long, once the clock alone is above them; owners, places and
 * readers that are over, of names for which nobody asks. At most once an hour, whoever calls it. Answers how many rows.
 */
export const sweep = (s: string): string => {
  const beside = (table: string) => `NOT EXISTS (SELECT FROM ${s}.${table} o WHERE o.name = l.name)`;
  const unused = ['readers', 'waiters', 'ended'].map(beside).join(' AND ');
  return `
CREATE OR REPLACE FUNCTION ${s}.${v}_sweep(_retention_ms bigint, _every_ms bigint, _max integer) RETURNS text LANGUAGE plpgsql AS $holdfast$
DECLARE
  _t timestamptz := clock_timestamp();
  _n bigint := 0;
  _some bigint;
  _names text[];
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION USING ERRCODE = 'HF001', MESSAGE = 'Holdfast needs read committed';
  END IF;
  PERFORM set_config('synchronous_commit', 'off', true), set_config('lock_timeout', '100', true);
  PERFORM FROM ${s}.meta WHERE version = ${version} AND swept <= _t - _every_ms * interval '1 millisecond' FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN RETURN '0'; END IF;
  UPDATE ${s}.meta SET swept = _t WHERE version = ${version};
  DELETE FROM ${s}.ended WHERE (name, owner) IN (SELECT name, owner FROM ${s}.ended WHERE until <= _t LIMIT _max FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS _n = ROW_COUNT;
  -- Those of names that somebody asks for are taken out then; these are long over, and nobody came.
  DELETE FROM ${s}.waiters w WHERE (w.name, w.owner) IN (SELECT name, owner FROM ${s}.waiters WHERE seen <= _t - interval '1 day' LIMIT _max FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS _some = ROW_COUNT;
  _n := _n + _some;
  DELETE FROM ${s}.readers WHERE (name, owner) IN (SELECT name, owner FROM ${s}.readers WHERE expires <= _t - interval '1 minute' LIMIT _max FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS _some = ROW_COUNT;
  _n := _n + _some;
  DELETE FROM ${s}.records WHERE key IN (SELECT key FROM ${s}.records WHERE expires <= _t - interval '1 minute' LIMIT _max FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS _some = ROW_COUNT;
  _n := _n + _some;
  -- A fence that runs ahead of the clock stays.
  SELECT array_agg(o.name) INTO _names FROM (SELECT l.name FROM ${s}.leases l
    WHERE since <= _t - _retention_ms * interval '1 millisecond' AND expires <= _t - interval '1 minute' AND fence < ${s}.${v}_us(_t - interval '1 minute')
      AND ${unused} LIMIT _max FOR UPDATE OF l SKIP LOCKED) o;
  -- Looked at again now that the rows are locked: what came beside them before that need not have changed them.
  DELETE FROM ${s}.leases l WHERE name = ANY (_names) AND ${unused};
  GET DIAGNOSTICS _some = ROW_COUNT;
  RETURN _n + _some;
END $holdfast$;
`;
};
