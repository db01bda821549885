import { limits } from '../../../core/limits.js';
import { v } from './version.js';

/** Everybody at the names of a page, as of one moment. Changes nothing. */
const everybody = (s: string, page: string, answer: string): string => `
DECLARE
  _t timestamptz := clock_timestamp();
  _answer text;
BEGIN
  IF pg_is_in_recovery() THEN RAISE EXCEPTION USING ERRCODE = '25006', MESSAGE = 'the server is in recovery'; END IF;
  WITH page AS (
    ${page}
  ), found AS (
    SELECT l.name, 0 AS part, 0 AS seq, 'held' AS state, l.owner, false AS shared, l.fence::text AS last, l.ttl_ms AS ttl, ${s}.${v}_ms(_t - l.since) AS age,
        ${s}.${v}_ms(l.expires - _t) AS left, l.renewals, l.node, l.metadata
      FROM page JOIN ${s}.leases l USING (name) WHERE l.expires > _t
    UNION ALL SELECT r.name, 1, r.first, 'held', r.owner, true, r.last::text, r.ttl_ms, ${s}.${v}_ms(_t - r.since), ${s}.${v}_ms(r.expires - _t), r.renewals, r.node, r.metadata
      FROM page JOIN ${s}.readers r USING (name) WHERE r.expires > _t
    UNION ALL SELECT w.name, 2, w.seq, 'waiting', w.owner, w.shared, NULL, w.ttl_ms, ${s}.${v}_ms(_t - w.since), NULL, 0, w.node, w.metadata
      FROM page JOIN ${s}.waiters w USING (name) WHERE w.seen > _t - interval '${limits.placeMs} milliseconds'
  ) SELECT ${answer} INTO _answer;
  RETURN _answer;
END`;

const all = "(SELECT coalesce(json_agg(f ORDER BY f.name, f.part, f.seq), '[]') FROM found f)";
const isInUse = '(slow OR expires > _t)';

/** `list`: a page of everybody below a prefix. Answers JSON: where the next page begins, or null, and the records. `read`: the records of one name. */
export const list = (s: string): string => `
CREATE OR REPLACE FUNCTION ${s}.${v}_list(_prefix text, _after text, _max integer) RETURNS text LANGUAGE plpgsql STABLE AS $holdfast$${everybody(
  s,
  `-- Names consist of the characters below chr(127).
    SELECT name, expires FROM ${s}.leases WHERE name >= _prefix AND name < _prefix || chr(127) AND (_after IS NULL OR name > _after) AND ${isInUse}
      ORDER BY name LIMIT _max`,
  `json_build_array((SELECT CASE WHEN count(*) = _max THEN max(name) END FROM page), ${all})::text`,
)} $holdfast$;

CREATE OR REPLACE FUNCTION ${s}.${v}_read(_name text) RETURNS text LANGUAGE plpgsql STABLE AS $holdfast$${everybody(
  s,
  `SELECT name, expires FROM ${s}.leases WHERE name = _name AND ${isInUse}`,
  `${all}::text`,
)} $holdfast$;
`;
