import { limits } from '../../core/limits.js';
import { readCommitted } from './common.js';

const msSince = (t: string) => `floor(extract(epoch FROM clock_timestamp() - ${t}) * 1000)`;

/** What people see and do: how far behind the relays are, dead letters, and what becomes of them. */
export const letters = (s: string): string => `
CREATE OR REPLACE FUNCTION ${s}.v1_outbox_status(_max integer) RETURNS text LANGUAGE plpgsql AS $holdfast$
BEGIN
  RETURN (SELECT json_build_object(
    'waiting', (SELECT count(*) FROM ${s}.outbox_events),
    'blocked', (SELECT count(*) FROM ${s}.outbox_events e WHERE parked AND NOT EXISTS (SELECT FROM ${s}.outbox_letters l WHERE l.pos = e.pos)),
    'oldestMs', (SELECT ${msSince('min(written)')} FROM ${s}.outbox_events),
    'oldestReadyMs', (SELECT ${msSince('min(written)')} FROM ${s}.outbox_events WHERE NOT parked),
    'retrying', (SELECT count(*) FROM ${s}.outbox_letters WHERE dead IS NULL),
    'dead', (SELECT count(*) FROM ${s}.outbox_letters WHERE dead IS NOT NULL),
    'relays', (SELECT count(*) FROM ${s}.outbox_relays WHERE until > clock_timestamp()),
    'unclaimed', (SELECT count(*) FROM ${s}.outbox_shards WHERE until <= clock_timestamp()),
    'letters', (SELECT coalesce(json_agg(x), '[]') FROM (
      SELECT l.id, l.key, e.seq::text AS sequence, e.type, l.attempts, l.dead IS NOT NULL AS dead, ${msSince('e.written')} AS "ageMs", l.error,
        CASE WHEN l.dead IS NULL THEN greatest(0, -${msSince('l.due')}) END AS "dueInMs",
        (SELECT count(*) FROM ${s}.outbox_events b WHERE b.parked AND b.key = l.key AND b.pos <> l.pos) AS blocks
      FROM ${s}.outbox_letters l JOIN ${s}.outbox_events e ON e.shard = l.shard AND e.parked AND e.pos = l.pos
      ORDER BY l.dead IS NULL, l.pos LIMIT _max) x)));
END $holdfast$;

-- Of each shard the first that is ready, and the letters that are tried again: what stands behind those is younger.
CREATE OR REPLACE FUNCTION ${s}.v1_outbox_lag() RETURNS text LANGUAGE plpgsql AS $holdfast$
BEGIN
  RETURN (SELECT greatest(0, coalesce(${msSince('min(written)')}, 0))::text FROM (
    (SELECT e.written FROM ${s}.outbox_shards h CROSS JOIN LATERAL
      (SELECT written FROM ${s}.outbox_events WHERE shard = h.shard AND NOT parked ORDER BY pos LIMIT 1) e)
    UNION ALL
    (SELECT e.written FROM ${s}.outbox_letters l JOIN ${s}.outbox_events e ON e.shard = l.shard AND e.parked AND e.pos = l.pos WHERE l.dead IS NULL)) x);
END $holdfast$;

-- Those of these ids that are dead, or all of the dead. The shard is locked first, as by everyone who changes its events.
CREATE OR REPLACE FUNCTION ${s}.v1_outbox_retry(_ids text[]) RETURNS text LANGUAGE plpgsql AS $holdfast$
DECLARE
  _retried json;
BEGIN
  ${readCommitted}
  PERFORM FROM ${s}.outbox_shards ORDER BY shard FOR NO KEY UPDATE;
  WITH done AS (UPDATE ${s}.outbox_letters SET dead = NULL, attempts = 0, due = clock_timestamp()
    WHERE dead IS NOT NULL AND (_ids IS NULL OR id = ANY (_ids::uuid[])) RETURNING id)
  SELECT coalesce(json_agg(id), '[]') INTO _retried FROM done;
  RETURN _retried;
END $holdfast$;

-- Takes a dead letter out of its key, and answers it. The event behind it comes after the one before it from now on. With the head of the key
-- locked no writer is under way: either there is an event behind it, or the next one will ask the head what it comes after. Whoever asks again
-- is answered again.
CREATE OR REPLACE FUNCTION ${s}.v1_outbox_discard(_id text) RETURNS text LANGUAGE plpgsql AS $holdfast$
DECLARE
  _l ${s}.outbox_letters;
  _e ${s}.outbox_events;
  _said json;
BEGIN
  ${readCommitted}
  SELECT * INTO _l FROM ${s}.outbox_letters WHERE id = _id::uuid;
  IF NOT FOUND THEN RETURN (SELECT said FROM ${s}.outbox_discarded WHERE id = _id::uuid); END IF;
  PERFORM FROM ${s}.outbox_heads WHERE key = _l.key FOR UPDATE;
  PERFORM FROM ${s}.outbox_shards WHERE shard = _l.shard FOR NO KEY UPDATE;
  DELETE FROM ${s}.outbox_letters WHERE pos = _l.pos AND dead IS NOT NULL;
  IF NOT FOUND THEN RETURN (SELECT said FROM ${s}.outbox_discarded WHERE id = _id::uuid); END IF;
  DELETE FROM ${s}.outbox_events WHERE shard = _l.shard AND parked AND pos = _l.pos RETURNING * INTO _e;
  IF _e.key IS NOT NULL THEN
    UPDATE ${s}.outbox_events SET after = _e.after WHERE shard = _e.shard AND parked IN (false, true) AND key = _e.key AND after = _e.seq;
    IF NOT FOUND THEN UPDATE ${s}.outbox_heads SET tail = _e.after WHERE key = _e.key; END IF;
    UPDATE ${s}.outbox_events SET parked = false WHERE key = _e.key AND parked;
  END IF;
  INSERT INTO ${s}.outbox_discarded AS d VALUES (_e.id, clock_timestamp(), json_build_object('id', _e.id, 'key', _e.key, 'sequence', _e.seq::text, 'type', _e.type, 'payload', _e.payload, 'headers', _e.headers,
    'writtenAtMs', floor(extract(epoch FROM _e.written) * 1000), 'attempts', _l.attempts, 'error', _l.error)) RETURNING d.said INTO _said;
  RETURN _said;
END $holdfast$;

-- Heads of keys without an event for long. Not while an older event waits: its key may be one of them.
CREATE OR REPLACE FUNCTION ${s}.v1_outbox_sweep(_due_ms bigint, _max integer) RETURNS text LANGUAGE plpgsql AS $holdfast$
DECLARE
  _before bigint;
  _n integer;
BEGIN
  UPDATE ${s}.outbox_meta SET swept = clock_timestamp() WHERE swept < clock_timestamp() - _due_ms * interval '1 millisecond';
  IF NOT FOUND THEN RETURN 0; END IF;
  DELETE FROM ${s}.outbox_discarded WHERE at < clock_timestamp() - interval '${limits.outboxHeadRetentionMs} milliseconds';
  SELECT (extract(epoch FROM least(min(written) - interval '1 day', clock_timestamp() - interval '${limits.outboxHeadRetentionMs} milliseconds')) * 1000000)::bigint INTO _before FROM ${s}.outbox_events;
  DELETE FROM ${s}.outbox_heads WHERE ctid = ANY (ARRAY(SELECT ctid FROM ${s}.outbox_heads WHERE seq < _before LIMIT _max FOR UPDATE SKIP LOCKED));
  GET DIAGNOSTICS _n = ROW_COUNT;
  RETURN _n;
END $holdfast$;
`;
