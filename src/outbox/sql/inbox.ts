import { inTransaction } from './common.js';
import { version } from './version.js';

/**
 * The inbox: which events a consumer has taken. Of a key its mark, the sequence of the last one; of events without a key, each.
 *
 * `accept` answers \`taken\`, \`duplicate\` or \`gap\`, and the mark that stood there. The row of the mark stays locked until the
 * transaction of the consumer ends: another delivery of the same key waits for it.
 */
export const inboxDefinitions = (s: string): string => `
CREATE TABLE IF NOT EXISTS ${s}.inbox_marks (
  consumer text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (consumer, key)
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE IF NOT EXISTS ${s}.inbox_seen (
  consumer text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (consumer, id)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE IF NOT EXISTS ${s}.inbox_forgotten (
  consumer text COLLATE "C" PRIMARY KEY,
  seq bigint NOT NULL                 -- the highest mark that was forgotten: what comes after one up to here misses nothing
);

CREATE TABLE IF NOT EXISTS ${s}.inbox_meta (
  version integer PRIMARY KEY,
  installed timestamptz NOT NULL
);
INSERT INTO ${s}.inbox_meta VALUES (${version}, clock_timestamp()) ON CONFLICT DO NOTHING;

CREATE OR REPLACE FUNCTION ${s}.v1_inbox_accept(_consumer text, _id text, _key text, _seq bigint, _after bigint, _anywhere boolean) RETURNS text LANGUAGE plpgsql AS $holdfast$
DECLARE
  _mark bigint;
BEGIN
  ${inTransaction}
  IF _key IS NULL THEN
    INSERT INTO ${s}.inbox_seen VALUES (_consumer, _id::uuid, clock_timestamp()) ON CONFLICT DO NOTHING;
    RETURN CASE WHEN FOUND THEN 'taken 0' ELSE 'duplicate 0' END;
  END IF;
  LOOP
    SELECT seq INTO _mark FROM ${s}.inbox_marks WHERE consumer = _consumer AND key = _key FOR NO KEY UPDATE;
    IF FOUND THEN
      IF _seq <= _mark THEN RETURN 'duplicate ' || _mark; END IF;
      IF _after > _mark THEN RETURN 'gap ' || _mark; END IF;
      UPDATE ${s}.inbox_marks SET seq = _seq, at = clock_timestamp() WHERE consumer = _consumer AND key = _key;
      RETURN 'taken ' || _mark;
    END IF;
    IF _after > 0 AND NOT _anywhere AND _after > coalesce((SELECT seq FROM ${s}.inbox_forgotten WHERE consumer = _consumer), 0) THEN RETURN 'gap 0'; END IF;
    INSERT INTO ${s}.inbox_marks VALUES (_consumer, _key, _seq, clock_timestamp()) ON CONFLICT DO NOTHING;
    IF FOUND THEN RETURN 'taken 0'; END IF;
  END LOOP;
END $holdfast$;

CREATE OR REPLACE FUNCTION ${s}.v1_inbox_forget(_consumer text, _older_ms bigint, _max integer) RETURNS text LANGUAGE plpgsql AS $holdfast$
DECLARE
  _before timestamptz := clock_timestamp() - _older_ms * interval '1 millisecond';
  _n integer;
  _m integer;
  _seq bigint;
BEGIN
  DELETE FROM ${s}.inbox_seen WHERE ctid = ANY (ARRAY(SELECT ctid FROM ${s}.inbox_seen WHERE consumer = _consumer AND at < _before LIMIT _max FOR UPDATE SKIP LOCKED));
  GET DIAGNOSTICS _n = ROW_COUNT;
  WITH gone AS (DELETE FROM ${s}.inbox_marks WHERE ctid = ANY (ARRAY(SELECT ctid FROM ${s}.inbox_marks WHERE consumer = _consumer AND at < _before LIMIT _max FOR UPDATE SKIP LOCKED)) RETURNING seq)
  SELECT count(*), max(seq) INTO _m, _seq FROM gone;
  IF _m > 0 THEN
    INSERT INTO ${s}.inbox_forgotten AS f VALUES (_consumer, _seq) ON CONFLICT (consumer) DO UPDATE SET seq = greatest(f.seq, excluded.seq);
  END IF;
  RETURN _n + _m;
END $holdfast$;
`;
