import { turnKey } from './common.js';
import { v } from './version.js';

/**
 * Ends every hold. With an heir (`_mode` is not null, `_id` is its owner), grants to it in the same step; one that was ended robs nobody.
 * Ends nothing unless a hold of `_if_fence` is there; null: any. Answers JSON: the id, the holders that were ended, and the grant as `acquire` tells it, or null.
 */
export const revoke = (s: string): string => `
CREATE OR REPLACE FUNCTION ${s}.${v}_revoke(_name text, _id text, _why text, _if_fence text, _heir boolean, _shared boolean, _ttl integer, _fences integer, _node text, _metadata text) RETURNS text LANGUAGE plpgsql AS $holdfast$
DECLARE
  _r ${s}.leases;
  _t timestamptz;
  _first bigint;
  _last bigint;
  _told text;
  _owner text;
  _ended json;
  _grant text;
BEGIN
  -- A transaction that checked its lease ends first. Before the row: such a transaction may lock that, too, and does so after this.
  IF _heir THEN PERFORM pg_advisory_xact_lock(${turnKey(s)}); END IF;
  _r := ${s}.${v}_enter(_name);
  _t := clock_timestamp();
  IF _heir THEN
    IF _shared THEN
      UPDATE ${s}.readers SET expires = greatest(expires, _t + _ttl * interval '1 millisecond') WHERE name = _name AND owner = _id RETURNING first, last INTO _first, _last;
    ELSIF _r.owner = _id AND _r.expires > _t THEN
      UPDATE ${s}.leases SET expires = greatest(expires, _t + _ttl * interval '1 millisecond') WHERE name = _name RETURNING first, fence INTO _first, _last;
    END IF;
    IF _first IS NOT NULL THEN RETURN json_build_array(_id, '[]'::json, _first || ' ' || _last || ' ' || _id)::text; END IF;
    IF _r.owner = _id OR EXISTS (SELECT FROM ${s}.ended WHERE name = _name AND owner = _id AND until > _t) THEN RETURN json_build_array(_id, '[]'::json, NULL)::text; END IF;
  ELSE
    -- A copy of a call that is done: told the same, and ends nobody.
    SELECT why INTO _told FROM ${s}.ended WHERE name = _name AND owner = _id AND until > _t;
    IF FOUND THEN RETURN json_build_array(_id, _told::json, NULL)::text; END IF;
  END IF;

  _ended := ${s}.${v}_holders(_name, _t, 100000);
  IF _if_fence IS NOT NULL AND NOT EXISTS (SELECT FROM json_array_elements(_ended) AS h WHERE h ->> 'last' = _if_fence) THEN
    RETURN json_build_array(_id, '[]'::json, NULL)::text;
  END IF;
  FOR _owner IN SELECT h ->> 'owner' FROM json_array_elements(_ended) AS h LOOP
    PERFORM ${s}.${v}_bury(_name, _owner, _why);
  END LOOP;
  DELETE FROM ${s}.readers WHERE name = _name;
  -- Another copy of this call must not end whoever comes next.
  PERFORM ${s}.${v}_bury(_name, _id, CASE WHEN _heir THEN NULL ELSE _ended::text END);
  UPDATE ${s}.leases SET expires = '-infinity', free_since = CASE WHEN json_array_length(_ended) > 0 THEN _t ELSE free_since END, slow = true WHERE name = _name;
  IF _heir THEN
    DELETE FROM ${s}.waiters WHERE name = _name AND owner = _id;
    _grant := ${s}.${v}_grant(_name, _id, _shared, _ttl, _fences, _node, _metadata);
  ELSE
    PERFORM ${s}.${v}_wake(_name);
  END IF;
  RETURN json_build_array(_id, _ended, _grant)::text;
END $holdfast$;
`;
