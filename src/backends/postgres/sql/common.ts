import { limits } from '../../../core/limits.js';
import { advisoryKey } from './keys.js';
import { v } from './version.js';

/** Above it nobody is notified, and waiters poll. The rest of the queue is for others. */
const notifyUsageMax = 0.9;

const ms = (n: number) => `interval '${n} milliseconds'`;

/**
 * Whether anything stands in the other tables that an ask would have to look at. Written out where it is needed: a function in SQL would be
 * planned anew each time, which costs as much as a grant.
 */
export const isSlow = (s: string): string =>
  `EXISTS (SELECT FROM ${s}.waiters WHERE name = _name) OR EXISTS (SELECT FROM ${s}.readers WHERE name = _name)
          OR EXISTS (SELECT FROM ${s}.ended WHERE name = _name AND until > _t)`;

/** What several functions share. Each statement of a function takes a snapshot of its own, so after the lock of the row it sees all that was done before under it. */
export const common = (s: string): string => `
CREATE OR REPLACE FUNCTION ${s}.${v}_us(_t timestamptz) RETURNS bigint LANGUAGE sql STABLE AS
$holdfast$ SELECT (extract(epoch FROM _t) * 1000000)::bigint $holdfast$;

CREATE OR REPLACE FUNCTION ${s}.${v}_ms(_i interval) RETURNS bigint LANGUAGE sql STABLE AS
$holdfast$ SELECT ceil(extract(epoch FROM _i) * 1000)::bigint $holdfast$;

-- Wakes whoever may go now: the writer at the head of the queue, or the readers there. NOTIFY takes a lock of the whole
-- database at commit, so nothing is sent where nobody waits. Nor where its queue is almost full: then the commit would fail, and with it what frees the name.
CREATE OR REPLACE FUNCTION ${s}.${v}_wake(_name text) RETURNS void LANGUAGE plpgsql AS $holdfast$
DECLARE
  _reading boolean := EXISTS (SELECT FROM ${s}.readers WHERE name = _name);
  _w record;
BEGIN
  FOR _w IN SELECT channel, shared FROM ${s}.waiters WHERE name = _name ORDER BY seq LIMIT 128 LOOP
    EXIT WHEN _reading AND NOT _w.shared;
    IF _w.channel <> '' AND pg_notification_queue_usage() < ${notifyUsageMax} THEN PERFORM pg_notify(_w.channel, _name); END IF;
    EXIT WHEN NOT _w.shared;
    _reading := true;
  END LOOP;
END $holdfast$;

-- Locks the row of a name, makes it where there is none, and takes out what is over. NO KEY UPDATE: a transaction that
-- checked its lease (check_in) holds nobody up. What follows looks into other tables, and has to see what was done under the lock before.
CREATE OR REPLACE FUNCTION ${s}.${v}_enter(_name text, _inside boolean DEFAULT false) RETURNS ${s}.leases LANGUAGE plpgsql AS $holdfast$
DECLARE
  _r ${s}.leases;
  _t timestamptz;
  _freed boolean;
BEGIN
  -- Inside a transaction of the application it is that one's to choose: there every change that matters is of a row that is locked here.
  IF NOT _inside AND current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION USING ERRCODE = 'HF001', MESSAGE = 'Holdfast needs read committed';
  END IF;
  LOOP
    SELECT * INTO _r FROM ${s}.leases WHERE name = _name FOR NO KEY UPDATE;
    EXIT WHEN FOUND;
    INSERT INTO ${s}.leases VALUES (_name, 0, 0, '', '-infinity', clock_timestamp(), false, clock_timestamp(), 0, 0, '{}', '{}') ON CONFLICT DO NOTHING;
  END LOOP;
  -- Read after the wait for the lock.
  _t := clock_timestamp();
  _freed := _r.expires > '-infinity' AND _r.expires <= _t;
  IF _r.slow THEN
    -- Waits for a renewal that is under way, and then finds that the reader goes on.
    DELETE FROM ${s}.readers WHERE name = _name AND expires <= _t;
    _freed := _freed OR FOUND;
    DELETE FROM ${s}.waiters WHERE name = _name AND seen <= _t - ${ms(limits.placeMs)};
    IF _freed AND EXISTS (SELECT FROM ${s}.readers WHERE name = _name) THEN _freed := false; END IF;
  END IF;
  IF _freed THEN
    UPDATE ${s}.leases SET expires = '-infinity', free_since = _t WHERE name = _name RETURNING * INTO _r;
    IF _r.slow THEN PERFORM ${s}.${v}_wake(_name); END IF;
  ELSIF _r.free_since > _t THEN
    -- The clock was set back: the claim windows must not last as long as that.
    UPDATE ${s}.leases SET free_since = _t WHERE name = _name RETURNING * INTO _r;
  END IF;
  RETURN _r;
END $holdfast$;

-- Mints and grants; the row of the name is locked, and the name is free for this mode. Answers '<first> <last> <owner>'.
CREATE OR REPLACE FUNCTION ${s}.${v}_grant(_name text, _owner text, _shared boolean, _ttl integer, _fences integer, _node text, _metadata text)
  RETURNS text LANGUAGE plpgsql AS $holdfast$
DECLARE
  _t timestamptz := clock_timestamp();
  _us bigint := ${s}.${v}_us(_t);
  _first bigint;
  _last bigint;
  _expires timestamptz := _t + _ttl * interval '1 millisecond';
BEGIN
  IF _shared THEN
    UPDATE ${s}.leases SET first = greatest(fence + 1, _us), fence = greatest(fence + 1, _us) + _fences - 1, owner = _owner, expires = '-infinity', since = _t, slow = true
      WHERE name = _name RETURNING first, fence INTO _first, _last;
    INSERT INTO ${s}.readers VALUES (_name, _owner, _first, _last, _expires, _t, _ttl, 0, _node, _metadata);
  ELSE
    UPDATE ${s}.leases SET first = greatest(fence + 1, _us), fence = greatest(fence + 1, _us) + _fences - 1, owner = _owner, expires = _expires, since = _t,
        ttl_ms = _ttl, renewals = 0, node = _node, metadata = _metadata, slow = slow AND (${isSlow(s)})
      WHERE name = _name RETURNING first, fence INTO _first, _last;
  END IF;
  RETURN _first || ' ' || _last || ' ' || _owner;
END $holdfast$;

-- Remembers an owner that must not come back. The caller sets \`slow\`.
CREATE OR REPLACE FUNCTION ${s}.${v}_bury(_name text, _owner text, _why text) RETURNS void LANGUAGE plpgsql AS $holdfast$
BEGIN
  -- Each that comes takes those out that nobody can be late for any more, so that they stay few.
  DELETE FROM ${s}.ended WHERE name = _name AND until <= clock_timestamp();
  INSERT INTO ${s}.ended AS e VALUES (_name, _owner, clock_timestamp() + ${ms(limits.tombstoneMs)}, _why)
    ON CONFLICT (name, owner) DO UPDATE SET until = excluded.until, why = coalesce(excluded.why, e.why);
END $holdfast$;

-- The holders of a name, for people. Its plan is kept, as that of a function in SQL would not be.
CREATE OR REPLACE FUNCTION ${s}.${v}_holders(_name text, _t timestamptz, _max integer) RETURNS json LANGUAGE plpgsql AS $holdfast$
BEGIN
  RETURN (SELECT coalesce(json_agg(h), '[]') FROM (
    SELECT owner, false AS shared, fence::text AS last, ttl_ms AS ttl, ${s}.${v}_ms(_t - since) AS age, ${s}.${v}_ms(expires - _t) AS left, renewals, node, metadata
      FROM ${s}.leases WHERE name = _name AND expires > _t
    UNION ALL (SELECT owner, true, last::text, ttl_ms, ${s}.${v}_ms(_t - since), ${s}.${v}_ms(expires - _t), renewals, node, metadata
      FROM ${s}.readers WHERE name = _name AND expires > _t ORDER BY first LIMIT _max)
  ) h);
END $holdfast$;
`;

/** Whoever asks holds it shared, for its statement: a transaction that took the name for itself (`take_in`) keeps them out without a lock on the row. */
export const askKey = (s: string, name = '_name') => advisoryKey(s, 'ask', name);
/** A transaction that checked its lease holds it shared until it ends; each grant to somebody else needs it alone. */
export const turnKey = (s: string, name = '_name') => advisoryKey(s, 'turn', name);
