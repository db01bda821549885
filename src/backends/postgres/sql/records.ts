import { inside } from './transaction.js';
import { v } from './version.js';

/** How long, and how many, writes leave a trace. */
const traceMs = 60_000;
const traces = 256;

/**
 * Records with compare-and-set. Writes are idempotent by their id: one that is sent again is told what it was told the first time.
 * Both answer JSON: now in ms, value, version, expires in epoch ms or null; without a record only the time. `write` puts in front whether it wrote.
 */
export const records = (s: string): string => `
CREATE OR REPLACE FUNCTION ${s}.${v}_record(_written boolean, _t timestamptz, _value text, _version text, _expires timestamptz) RETURNS text LANGUAGE sql STABLE AS $holdfast$
  SELECT CASE WHEN _version IS NULL THEN json_build_array(_written, extract(epoch FROM _t) * 1000)
    ELSE json_build_array(_written, extract(epoch FROM _t) * 1000, _value, _version, extract(epoch FROM _expires) * 1000) END::text
$holdfast$;

CREATE OR REPLACE FUNCTION ${s}.${v}_record_get(_key text) RETURNS text LANGUAGE plpgsql STABLE AS $holdfast$
DECLARE
  _r ${s}.records;
  _t timestamptz := clock_timestamp();
BEGIN
  IF pg_is_in_recovery() THEN RAISE EXCEPTION USING ERRCODE = '25006', MESSAGE = 'the server is in recovery'; END IF;
  SELECT * INTO _r FROM ${s}.records WHERE key = _key AND (expires IS NULL OR expires > _t);
  RETURN ${s}.${v}_record(false, _t, _r.value, _r.version, _r.expires);
END $holdfast$;

-- A page of those below a prefix, as of one moment: the key, and what get answers.
CREATE OR REPLACE FUNCTION ${s}.${v}_record_list(_prefix text, _after text, _max integer) RETURNS text LANGUAGE plpgsql STABLE AS $holdfast$
DECLARE
  _t timestamptz := clock_timestamp();
BEGIN
  IF pg_is_in_recovery() THEN RAISE EXCEPTION USING ERRCODE = '25006', MESSAGE = 'the server is in recovery'; END IF;
  -- Keys consist of the characters below chr(127).
  RETURN (SELECT coalesce(json_agg(json_build_array(p.key, ${s}.${v}_record(false, _t, p.value, p.version, p.expires)) ORDER BY p.key), '[]') FROM (
    SELECT key, value, version, expires FROM ${s}.records WHERE key >= _prefix AND key < _prefix || chr(127) AND (_after IS NULL OR key > _after)
      AND (expires IS NULL OR expires > _t) ORDER BY key LIMIT _max) p)::text;
END $holdfast$;

-- With _version compares and sets; without, creates.
CREATE OR REPLACE FUNCTION ${s}.${v}_record_write(_key text, _id text, _value text, _ttl bigint, _version text) RETURNS text LANGUAGE plpgsql AS $holdfast$
DECLARE
  _r ${s}.records;
  _t timestamptz;
  _us bigint;
  _expires timestamptz;
  _own text;
  _alive boolean;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION USING ERRCODE = 'HF001', MESSAGE = 'Holdfast needs read committed';
  END IF;
  LOOP
    SELECT * INTO _r FROM ${s}.records WHERE key = _key FOR UPDATE;
    _t := date_trunc('milliseconds', clock_timestamp());
    _us := ${s}.${v}_us(clock_timestamp());
    _expires := _t + _ttl * interval '1 millisecond';
    EXIT WHEN FOUND;
    IF _version IS NOT NULL THEN RETURN ${s}.${v}_record(false, _t, NULL, NULL, NULL); END IF;
    INSERT INTO ${s}.records VALUES (_key, _value, _us || '-' || _id, _expires, ARRAY[_us || '-' || _id]) ON CONFLICT DO NOTHING;
    IF FOUND THEN RETURN ${s}.${v}_record(true, _t, _value, _us || '-' || _id, _expires); END IF;
  END LOOP;
  SELECT w INTO _own FROM unnest(_r.writes) AS w WHERE split_part(w, '-', 2) = _id;
  IF _own IS NOT NULL THEN
    IF _own = _r.version THEN RETURN ${s}.${v}_record(true, _t, _r.value, _r.version, _r.expires); END IF;
    _t := to_timestamp(split_part(_own, '-', 1)::bigint / 1000 / 1000.0);
    RETURN ${s}.${v}_record(true, _t, _value, _own, _t + _ttl * interval '1 millisecond');
  END IF;
  _alive := _r.expires IS NULL OR _r.expires > _t;
  IF (CASE WHEN _version IS NULL THEN _alive ELSE NOT _alive OR _r.version <> _version END) THEN
    IF _alive THEN RETURN ${s}.${v}_record(false, _t, _r.value, _r.version, _r.expires); END IF;
    RETURN ${s}.${v}_record(false, _t, NULL, NULL, NULL);
  END IF;
  _us := greatest(_us, split_part(_r.version, '-', 1)::bigint + 1);
  _own := _us || '-' || _id;
  UPDATE ${s}.records SET value = _value, version = _own, expires = _expires, writes = (
      SELECT array_agg(w ORDER BY i) FROM (SELECT _own AS w, 0 AS i UNION ALL SELECT w, i FROM unnest(_r.writes) WITH ORDINALITY AS o(w, i)
        WHERE i < ${traces} AND split_part(w, '-', 1)::bigint > _us - ${traceMs * 1000}) kept)
    WHERE key = _key;
  RETURN ${s}.${v}_record(true, _t, _value, _own, _expires);
END $holdfast$;

-- Compares and sets in a transaction of the application, in every isolation level: nobody else writes the record before that ends.
CREATE OR REPLACE FUNCTION ${s}.${v}_record_set_in(_key text, _id text, _value text, _ttl bigint, _version text) RETURNS text LANGUAGE plpgsql AS $holdfast$
DECLARE
  _r ${s}.records;
  _t timestamptz := date_trunc('milliseconds', clock_timestamp());
  _own text;
BEGIN
  ${inside}
  _own := greatest(${s}.${v}_us(clock_timestamp()), split_part(_version, '-', 1)::bigint + 1) || '-' || _id;
  UPDATE ${s}.records SET value = _value, version = _own, expires = _t + _ttl * interval '1 millisecond', writes = ARRAY[_own] || writes[1:${traces - 1}]
    WHERE key = _key AND version = _version AND (expires IS NULL OR expires > _t) RETURNING * INTO _r;
  IF FOUND THEN RETURN ${s}.${v}_record(true, _t, _r.value, _r.version, _r.expires); END IF;
  RETURN ${s}.${v}_record_get(_key);
END $holdfast$;
`;
