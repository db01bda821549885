import { limits } from '../../../core/limits.js';
import { askKey, turnKey } from './common.js';
import { v } from './version.js';

/** How many readers a refusal shows. */
const holdersShown = 16;
/** How soon somebody may ask again whom nothing wakes. */
const unwokenRetryMs = 200;
/** How soon to ask again for a name that a transaction has: nobody is told of its end. */
const transactionRetryMs = 100;

const no = (because: string, ahead = '0', retry = 'NULL', holders = "'[]'::json") =>
  `json_build_object('because', '${because}', 'ahead', ${ahead}, 'retry', ${retry}, 'holders', ${holders})::text`;

/**
 * Tries once. Takes or keeps a place in the queue if asked to. Idempotent by owner.
 *
 * Answers `<first fence> <last fence> <owner>`, or JSON: because, ahead, retry (ms until asking again may help), holders.
 */
export const acquire = (s: string): string => `
CREATE OR REPLACE FUNCTION ${s}.${v}_acquire(_name text, _owner text, _shared boolean, _ttl integer, _fences integer, _enqueue boolean, _channel text,
  _node text, _metadata text) RETURNS text LANGUAGE plpgsql AS $holdfast$
DECLARE
  _t timestamptz;
  _us bigint;
  _r ${s}.leases;
  _first bigint;
  _last bigint;
  _seq bigint;
  _ahead integer := 0;
  _held boolean;
  _reading boolean := false;
  _busy boolean;
  _turn timestamptz;
  _retry bigint;
BEGIN
  IF NOT pg_try_advisory_xact_lock_shared(${askKey(s)}) THEN
    RETURN ${no('held', '0', String(transactionRetryMs))};
  END IF;

  -- The common case in one statement: a name that is free, and has nothing beside its row. The row is locked first, or left alone where somebody else has it
  -- locked. What is compared and what is set is read from the row as it is when it was locked. It is right in every isolation level: what changed since an older snapshot is a serialization failure.
  IF NOT _shared THEN
    _t := clock_timestamp();
    _us := (extract(epoch FROM _t) * 1000000)::bigint;
    UPDATE ${s}.leases SET first = greatest(fence + 1, _us), fence = greatest(fence + 1, _us) + _fences - 1, owner = _owner,
        expires = _t + _ttl * interval '1 millisecond', since = _t, ttl_ms = _ttl, renewals = 0, node = _node, metadata = _metadata
      WHERE name = (SELECT name FROM ${s}.leases WHERE name = _name AND expires <= _t AND NOT slow AND owner <> _owner FOR NO KEY UPDATE SKIP LOCKED)
        AND pg_try_advisory_xact_lock(${turnKey(s)})
      RETURNING first, fence INTO _first, _last;
    IF FOUND THEN RETURN _first || ' ' || _last || ' ' || _owner; END IF;
    -- A row that is not there, or not any more: a transaction that checked the last lease may have outlived it.
    INSERT INTO ${s}.leases
      SELECT _name, _us + _fences - 1, _us, _owner, _t + _ttl * interval '1 millisecond', _t, false, _t, _ttl, 0, _node, _metadata
        WHERE CASE WHEN EXISTS (SELECT FROM ${s}.leases WHERE name = _name) THEN false ELSE pg_try_advisory_xact_lock(${turnKey(s)}) END
      ON CONFLICT DO NOTHING;
    IF FOUND THEN RETURN _us || ' ' || _us + _fences - 1 || ' ' || _owner; END IF;
  END IF;

  _r := ${s}.${v}_enter(_name);
  _t := clock_timestamp();
  _held := _r.expires > _t;
  IF _shared THEN
    UPDATE ${s}.readers SET expires = greatest(expires, _t + _ttl * interval '1 millisecond') WHERE name = _name AND owner = _owner
      RETURNING first, last INTO _first, _last;
    IF FOUND THEN RETURN _first || ' ' || _last || ' ' || _owner; END IF;
  ELSIF _held AND _r.owner = _owner THEN
    UPDATE ${s}.leases SET expires = greatest(expires, _t + _ttl * interval '1 millisecond') WHERE name = _name;
    RETURN _r.first || ' ' || _r.fence || ' ' || _owner;
  END IF;
  -- Ended by somebody; or its grant was the last one of all and is over: a late copy of its ask must make no orphan.
  IF _r.owner = _owner OR (_r.slow AND EXISTS (SELECT FROM ${s}.ended WHERE name = _name AND owner = _owner AND until > _t)) THEN
    PERFORM set_config('synchronous_commit', 'off', true);
    RETURN ${no('abandoned')};
  END IF;

  IF _r.slow THEN
    _reading := EXISTS (SELECT FROM ${s}.readers WHERE name = _name);
    SELECT seq INTO _seq FROM ${s}.waiters WHERE name = _name AND owner = _owner;
    SELECT count(*) INTO _ahead FROM ${s}.waiters WHERE name = _name AND (_seq IS NULL OR seq < _seq) AND (NOT _shared OR NOT shared);
  END IF;
  _busy := _held OR (_reading AND NOT _shared);
  -- Whoever stands in front has a claim window each, from when the name became free.
  _turn := CASE WHEN (_held OR _reading) AND _ahead > 0 THEN 'infinity' ELSE _r.free_since + _ahead * interval '${limits.claimMs} milliseconds' END;
  IF NOT _busy AND (_ahead = 0 OR _t >= _turn) THEN
    IF pg_try_advisory_xact_lock(${turnKey(s)}) THEN
      -- Whoever is passed over missed its window, and queues anew.
      IF _ahead > 0 OR _seq IS NOT NULL THEN
        DELETE FROM ${s}.waiters WHERE name = _name AND (owner = _owner OR ((_seq IS NULL OR seq < _seq) AND (NOT _shared OR NOT shared)));
      END IF;
      RETURN ${s}.${v}_grant(_name, _owner, _shared, _ttl, _fences, _node, _metadata);
    END IF;
    -- A transaction that checked the last lease has not ended yet, and nobody's claim window begins before.
    UPDATE ${s}.leases SET free_since = _t WHERE name = _name;
    _busy := true;
    _retry := ${transactionRetryMs};
  END IF;

  IF _enqueue THEN
    IF _seq IS NULL THEN
      INSERT INTO ${s}.waiters (name, owner, shared, channel, seen, since, ttl_ms, node, metadata)
        VALUES (_name, _owner, _shared, _channel, _t, _t, _ttl, _node, _metadata);
      IF NOT _r.slow THEN UPDATE ${s}.leases SET slow = true WHERE name = _name; END IF;
    ELSE
      UPDATE ${s}.waiters SET seen = _t, channel = _channel WHERE name = _name AND owner = _owner
        AND (seen <= _t - interval '${Math.floor(limits.placeMs / 3)} milliseconds' OR seen > _t OR channel <> _channel);
    END IF;
  END IF;
  -- What a refusal writes may be lost by a crash: nobody need wait for the disk.
  PERFORM set_config('synchronous_commit', 'off', true);
  IF _retry IS NULL AND _busy AND _ahead = 0 THEN
    _retry := ${s}.${v}_ms(CASE WHEN _held THEN _r.expires ELSE (SELECT min(expires) FROM ${s}.readers WHERE name = _name) END - _t);
  ELSIF NOT _busy AND _turn < 'infinity' THEN
    _retry := ${s}.${v}_ms(_turn - _t);
  END IF;
  IF _channel = '' THEN _retry := least(_retry, ${unwokenRetryMs}); END IF;
  -- Not \`greatest\`, which leaves out NULL: who stands behind others is woken, and has no time at which to ask again.
  IF _retry < 0 THEN _retry := 0; END IF;
  IF NOT _busy THEN RETURN ${no('queued', '_ahead', '_retry')}; END IF;
  RETURN ${no('held', '_ahead', '_retry', `${s}.${v}_holders(_name, _t, ${holdersShown})`)};
END $holdfast$;
`;
