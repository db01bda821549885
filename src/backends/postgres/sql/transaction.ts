import { askKey, turnKey } from './common.js';
import { v } from './version.js';

export const inside = `
  -- BEGIN was a statement of its own, so in a transaction the two differ.
  IF now() = statement_timestamp() THEN RAISE EXCEPTION USING ERRCODE = 'HF003', MESSAGE = 'not in a transaction'; END IF;`;

/**
 * For a transaction of the application. `take` has the name until the transaction ends: nobody else is granted it, and asks are refused without waiting
 * for the row. Answers the fence, or null. `check` answers whether a fence is that of a hold; if so, nobody else is granted the name until the transaction ends.
 *
 * Both hold in every isolation level: what was changed since an older snapshot is a serialization failure.
 */
export const transaction = (s: string): string => `
CREATE OR REPLACE FUNCTION ${s}.${v}_take_in(_name text, _wait_ms integer) RETURNS text LANGUAGE plpgsql AS $holdfast$
DECLARE
  _before text := current_setting('lock_timeout');
  _r ${s}.leases;
  _fence bigint;
BEGIN
  ${inside}
  BEGIN
    PERFORM set_config('lock_timeout', _wait_ms::text, true);
    -- Asks hold it for microseconds; other transactions until they end.
    PERFORM pg_advisory_xact_lock(${askKey(s)});
    _r := ${s}.${v}_enter(_name, true);
    IF _r.expires > clock_timestamp() OR EXISTS (SELECT FROM ${s}.readers WHERE name = _name) OR EXISTS (SELECT FROM ${s}.waiters WHERE name = _name)
      OR NOT pg_try_advisory_xact_lock(${turnKey(s)}) THEN
      RAISE EXCEPTION USING ERRCODE = 'HF002', MESSAGE = 'not free';
    END IF;
    UPDATE ${s}.leases SET first = greatest(fence + 1, ${s}.${v}_us(clock_timestamp())), fence = greatest(fence + 1, ${s}.${v}_us(clock_timestamp())), owner = 'transaction',
      since = clock_timestamp() WHERE name = _name RETURNING fence INTO _fence;
    PERFORM set_config('lock_timeout', _before, true);
  EXCEPTION WHEN SQLSTATE 'HF002' OR lock_not_available THEN
    -- Undone with the block: the locks, too.
    _fence := NULL;
  END;
  RETURN _fence;
END $holdfast$;

CREATE OR REPLACE FUNCTION ${s}.${v}_check_in(_name text, _fence bigint) RETURNS boolean LANGUAGE plpgsql AS $holdfast$
BEGIN
  ${inside}
  BEGIN
    -- Waits for a grant that is under way.
    PERFORM pg_advisory_xact_lock_shared(${turnKey(s)});
    IF current_setting('transaction_isolation') = 'read committed' THEN
      -- Sees what was committed before the lock was obtained; renewals go on.
      PERFORM FROM ${s}.leases WHERE name = _name AND _fence BETWEEN first AND fence AND expires > clock_timestamp();
      IF NOT FOUND THEN PERFORM FROM ${s}.readers WHERE name = _name AND _fence BETWEEN first AND last AND expires > clock_timestamp(); END IF;
    ELSE
      -- In an older snapshot the row might still be ours: this fails where it was changed since. A weaker lock would not notice.
      PERFORM FROM ${s}.leases WHERE name = _name AND _fence BETWEEN first AND fence AND expires > clock_timestamp() FOR NO KEY UPDATE;
      IF NOT FOUND THEN PERFORM FROM ${s}.readers WHERE name = _name AND _fence BETWEEN first AND last AND expires > clock_timestamp() FOR NO KEY UPDATE; END IF;
    END IF;
    IF NOT FOUND THEN RAISE EXCEPTION USING ERRCODE = 'HF002', MESSAGE = 'not held'; END IF;
  EXCEPTION WHEN SQLSTATE 'HF002' THEN
    -- Undone with the block: whoever asks next is not in the way of this transaction.
    RETURN false;
  END;
  RETURN true;
END $holdfast$;
`;
