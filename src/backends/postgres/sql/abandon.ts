import { v } from './version.js';

/** Forgets whatever this owner has here, and refuses its asks that arrive later. */
export const abandon = (s: string): string => `
CREATE OR REPLACE FUNCTION ${s}.${v}_abandon(_name text, _owner text) RETURNS text LANGUAGE plpgsql AS $holdfast$
DECLARE
  _r ${s}.leases;
  _t timestamptz;
  _freed boolean;
BEGIN
  _r := ${s}.${v}_enter(_name);
  _t := clock_timestamp();
  _freed := _r.owner = _owner AND _r.expires > _t;
  DELETE FROM ${s}.readers WHERE name = _name AND owner = _owner;
  IF FOUND THEN _freed := NOT EXISTS (SELECT FROM ${s}.readers WHERE name = _name); END IF;
  DELETE FROM ${s}.waiters WHERE name = _name AND owner = _owner;
  PERFORM ${s}.${v}_bury(_name, _owner, NULL);
  IF _freed THEN
    UPDATE ${s}.leases SET expires = '-infinity', free_since = _t, slow = true WHERE name = _name;
  ELSIF NOT _r.slow THEN
    UPDATE ${s}.leases SET slow = true WHERE name = _name;
  END IF;
  IF _freed OR _r.expires <= _t THEN PERFORM ${s}.${v}_wake(_name); END IF;
  RETURN 'done';
END $holdfast$;
`;
