import { limits } from '../../core/limits.js';
import { nowUs, readCommitted } from './common.js';

const ms = (n: string) => `${n} * interval '1 millisecond'`;

/**
 * One turn of a relay, in one round trip: what became of the last events, its claims, the next events.
 *
 * A claim is a row of `outbox_shards`, with a fence that grows with every change of hands. Reports count only for shards that are still
 * claimed under the fence that the relay names: who was paused can write nothing down about what another has claimed since. Everything that
 * changes the events of a shard locks its row first, so there is one at a time, and no event is looked at while its fate is written down.
 */
export const turn = (s: string): string => `
-- Locks the shards that are still claimed under these fences.
CREATE OR REPLACE FUNCTION ${s}.v1_outbox_hold(_relay text, _shards text[], _fences text[]) RETURNS smallint[] LANGUAGE plpgsql AS $holdfast$
BEGIN
  RETURN ARRAY(SELECT h.shard FROM ${s}.outbox_shards h JOIN unnest(_shards, _fences) AS c(shard, fence) ON h.shard = c.shard::smallint AND h.fence = c.fence::bigint
    WHERE h.relay = _relay ORDER BY h.shard FOR NO KEY UPDATE OF h);
END $holdfast$;

-- What was published goes, and what waited behind it comes back; what failed is parked, and what waits behind it will be.
CREATE OR REPLACE FUNCTION ${s}.v1_outbox_report(_held smallint[], _done jsonb, _failed jsonb) RETURNS void LANGUAGE plpgsql AS $holdfast$
DECLARE
  _keys text[];
BEGIN
  IF jsonb_array_length(_done) > 0 THEN
    DELETE FROM ${s}.outbox_events e USING (SELECT (d->>0)::smallint AS shard, (d->>1)::bigint AS pos FROM jsonb_array_elements(_done) d) d
      WHERE e.shard = d.shard AND e.parked IN (false, true) AND e.pos = d.pos AND e.shard = ANY (_held);
    WITH gone AS (DELETE FROM ${s}.outbox_letters l USING (SELECT (d->>1)::bigint AS pos FROM jsonb_array_elements(_done) d) d
      WHERE l.pos = d.pos AND l.shard = ANY (_held) RETURNING l.key)
    SELECT array_agg(key) INTO _keys FROM gone WHERE key IS NOT NULL;
    IF _keys IS NOT NULL THEN UPDATE ${s}.outbox_events SET parked = false WHERE key = ANY (_keys) AND parked; END IF;
  END IF;
  IF jsonb_array_length(_failed) > 0 THEN
    INSERT INTO ${s}.outbox_letters AS l
      SELECT e.pos, e.shard, e.id, e.key, f.attempts, clock_timestamp() + ${ms('f.ms')}, CASE WHEN f.dead THEN clock_timestamp() END, f.error
      FROM jsonb_to_recordset(_failed) AS f(shard smallint, pos bigint, attempts integer, ms bigint, dead boolean, error text)
      JOIN ${s}.outbox_events e ON e.shard = f.shard AND e.parked IN (false, true) AND e.pos = f.pos
      WHERE e.shard = ANY (_held)
      ON CONFLICT (pos) DO UPDATE SET attempts = greatest(l.attempts, excluded.attempts), due = excluded.due, dead = excluded.dead, error = excluded.error;
    UPDATE ${s}.outbox_events e SET parked = true FROM jsonb_to_recordset(_failed) AS f(shard smallint, pos bigint)
      WHERE e.shard = f.shard AND NOT e.parked AND e.pos = f.pos AND e.shard = ANY (_held);
  END IF;
END $holdfast$;

-- A fair share of the shards for every relay that lives. Answers what is held, and under which fences.
CREATE OR REPLACE FUNCTION ${s}.v1_outbox_share(_relay text, _ttl integer, _asleep boolean, _held smallint[]) RETURNS json LANGUAGE plpgsql AS $holdfast$
DECLARE
  _t timestamptz := clock_timestamp();
  _fair integer;
  _taken smallint[];
  _changed boolean;
BEGIN
  -- Ends beyond a whole claim come of a clock that was set back: they are corrected, or nobody would take over for as long.
  -- Written only where it changes something: a relay that looks for events and finds none leaves nothing to vacuum.
  INSERT INTO ${s}.outbox_relays AS r VALUES (_relay, _t + ${ms('_ttl')}, _asleep)
    ON CONFLICT (relay) DO UPDATE SET until = excluded.until, asleep = excluded.asleep WHERE r.asleep <> excluded.asleep OR r.until NOT BETWEEN _t + ${ms('_ttl * 2 / 3')} AND excluded.until;
  DELETE FROM ${s}.outbox_relays WHERE relay IN (SELECT relay FROM ${s}.outbox_relays WHERE until < _t FOR UPDATE SKIP LOCKED);
  SELECT ceil(${limits.outboxShards}.0 / greatest(1, count(*))) INTO _fair FROM ${s}.outbox_relays;
  IF cardinality(_held) > _fair THEN
    UPDATE ${s}.outbox_shards SET relay = '', until = '-infinity' WHERE shard = ANY (_held[_fair + 1 :]);
    _held := _held[: _fair];
  END IF;
  IF cardinality(_held) < _fair THEN
    WITH free AS (SELECT shard FROM ${s}.outbox_shards WHERE until < _t AND NOT shard = ANY (_held) ORDER BY random() LIMIT _fair - cardinality(_held) FOR NO KEY UPDATE SKIP LOCKED),
    taken AS (UPDATE ${s}.outbox_shards h SET relay = _relay, fence = greatest(fence + 1, ${nowUs}), until = _t + ${ms('_ttl')} FROM free WHERE h.shard = free.shard RETURNING h.shard)
    SELECT array_agg(shard) INTO _taken FROM taken;
    _held := _held || _taken;
  END IF;
  UPDATE ${s}.outbox_shards SET until = _t + ${ms('_ttl')} WHERE shard = ANY (_held) AND until NOT BETWEEN _t + ${ms('_ttl * 2 / 3')} AND _t + ${ms('_ttl')};
  _changed := FOUND OR _taken IS NOT NULL;
  -- What a crash takes back of the rest is published again, which may happen at any time; so that is not waited for on the disk.
  IF NOT _changed THEN PERFORM set_config('synchronous_commit', 'off', true); END IF;
  RETURN (SELECT json_build_object('shards', coalesce(json_agg(shard), '[]'), 'fences', coalesce(json_agg(fence::text), '[]'),
    'leftMs', coalesce(floor(extract(epoch FROM min(until) - clock_timestamp()) * 1000), 0)) FROM ${s}.outbox_shards WHERE shard = ANY (_held));
END $holdfast$;

-- The next events of these shards, in order. What belongs behind a letter is parked on the way: it is looked at once.
CREATE OR REPLACE FUNCTION ${s}.v1_outbox_next(_held smallint[], _each integer, _batch integer) RETURNS json LANGUAGE plpgsql AS $holdfast$
DECLARE
  _blocked text[] := ARRAY(SELECT key FROM ${s}.outbox_letters WHERE shard = ANY (_held) AND key IS NOT NULL);
  _n integer;
BEGIN
  WHILE cardinality(_blocked) > 0 LOOP
    UPDATE ${s}.outbox_events e SET parked = true
      FROM (SELECT e.shard, e.pos, e.key FROM unnest(_held) AS h(shard) CROSS JOIN LATERAL
        (SELECT shard, pos, key FROM ${s}.outbox_events WHERE shard = h.shard AND NOT parked ORDER BY pos LIMIT _each) e) c
      WHERE e.shard = c.shard AND NOT e.parked AND e.pos = c.pos AND c.key = ANY (_blocked);
    GET DIAGNOSTICS _n = ROW_COUNT;
    EXIT WHEN _n = 0;
  END LOOP;
  RETURN (SELECT coalesce(json_agg(json_build_array(e.shard, e.pos, e.id, e.key, e.seq::text, e.after::text, e.type, e.payload, e.headers, floor(extract(epoch FROM e.written) * 1000), e.attempts)), '[]') FROM (
    (SELECT e.*, 0 AS attempts FROM unnest(_held) AS h(shard) CROSS JOIN LATERAL
      (SELECT * FROM ${s}.outbox_events WHERE shard = h.shard AND NOT parked ORDER BY pos LIMIT _each) e
      WHERE e.key IS NULL OR NOT e.key = ANY (_blocked) ORDER BY e.pos LIMIT _batch)
    UNION ALL
    (SELECT e.*, l.attempts FROM ${s}.outbox_letters l JOIN ${s}.outbox_events e ON e.shard = l.shard AND e.parked AND e.pos = l.pos
      WHERE l.shard = ANY (_held) AND l.dead IS NULL AND l.due <= clock_timestamp() ORDER BY l.due LIMIT _batch)) e);
END $holdfast$;

CREATE OR REPLACE FUNCTION ${s}.v1_outbox_turn(_relay text, _ttl integer, _asleep boolean, _shards text[], _fences text[], _done text, _failed text, _each integer, _batch integer)
  RETURNS text LANGUAGE plpgsql AS $holdfast$
DECLARE
  _held smallint[];
  _claim json;
BEGIN
  ${readCommitted}
  _held := ${s}.v1_outbox_hold(_relay, _shards, _fences);
  PERFORM ${s}.v1_outbox_report(_held, _done::jsonb, _failed::jsonb);
  _claim := ${s}.v1_outbox_share(_relay, _ttl, _asleep, _held);
  _held := ARRAY(SELECT value::smallint FROM json_array_elements_text(_claim->'shards'));
  RETURN json_build_object('claim', _claim, 'events', ${s}.v1_outbox_next(_held, _each, _batch));
END $holdfast$;

-- The last words of a relay that stops: its shards are free at once.
CREATE OR REPLACE FUNCTION ${s}.v1_outbox_leave(_relay text, _shards text[], _fences text[], _done text, _failed text) RETURNS text LANGUAGE plpgsql AS $holdfast$
DECLARE
  _held smallint[];
BEGIN
  ${readCommitted}
  _held := ${s}.v1_outbox_hold(_relay, _shards, _fences);
  PERFORM ${s}.v1_outbox_report(_held, _done::jsonb, _failed::jsonb);
  UPDATE ${s}.outbox_shards SET relay = '', until = '-infinity' WHERE shard = ANY (_held);
  DELETE FROM ${s}.outbox_relays WHERE relay = _relay;
  RETURN '';
END $holdfast$;
`;
