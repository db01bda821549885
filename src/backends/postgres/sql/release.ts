import { isSlow } from './common.js';
import { v } from './version.js';

/**
 * Compare and free; wakes whoever is next. Answers `released`, `absent` or `not-owner`.
 *
 * The commit is not waited for on the disk: a release that a crash takes back costs the rest of the TTL and harms nobody, and
 * the next grant, which is waited for, takes it along.
 */
export const release = (s: string): string => `
CREATE OR REPLACE FUNCTION ${s}.${v}_release(_name text, _owner text, _shared boolean) RETURNS text LANGUAGE plpgsql AS $holdfast$
DECLARE
  _t timestamptz := clock_timestamp();
  _r ${s}.leases;
  _found boolean := false;
BEGIN
  -- A setting costs more than the rest of this: where nothing is synced, there is nothing to save.
  IF current_setting('fsync') = 'on' THEN PERFORM set_config('synchronous_commit', 'off', true); END IF;
  IF NOT _shared THEN
    UPDATE ${s}.leases SET expires = '-infinity', free_since = _t
      WHERE name = (SELECT name FROM ${s}.leases WHERE name = _name AND owner = _owner AND expires > _t AND NOT slow FOR NO KEY UPDATE SKIP LOCKED);
    IF FOUND THEN RETURN 'released'; END IF;
  END IF;
  -- Makes no row where there is none.
  IF NOT EXISTS (SELECT FROM ${s}.leases WHERE name = _name) THEN RETURN 'absent'; END IF;
  _r := ${s}.${v}_enter(_name);
  _t := clock_timestamp();
  IF _shared THEN
    DELETE FROM ${s}.readers WHERE name = _name AND owner = _owner;
    _found := FOUND;
  ELSIF _r.owner = _owner AND _r.expires > _t THEN
    _found := true;
    _r.expires := '-infinity';
  END IF;
  IF _r.expires > _t OR EXISTS (SELECT FROM ${s}.readers WHERE name = _name) THEN
    RETURN CASE WHEN _found THEN 'released' ELSE 'not-owner' END;
  END IF;
  IF NOT _found THEN RETURN 'absent'; END IF;
  UPDATE ${s}.leases SET expires = '-infinity', free_since = _t, slow = (${isSlow(s)}) WHERE name = _name;
  PERFORM ${s}.${v}_wake(_name);
  RETURN 'released';
END $holdfast$;
`;
