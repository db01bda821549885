import { v } from './version.js';

/**
 * Extends holds of one TTL. Creates nothing, revives nothing.
 *
 * Rows are locked in the order of their names, so that two batches cannot wait for each other; and without `_wait`, not those that somebody else has locked:
 * one transaction that sits on a row must not cost all others of the batch their leases. They are told as `l`, to be sent again each by itself.
 *
 * Answers JSON: the first owner, then of each that was not extended its number, `g` gone, `n` not yours or `l` locked, and who ended it.
 */
export const renew = (s: string): string => `
CREATE OR REPLACE FUNCTION ${s}.${v}_renew(_names text[], _owners text[], _ttl integer, _wait boolean) RETURNS text LANGUAGE plpgsql AS $holdfast$
DECLARE
  _t timestamptz := clock_timestamp();
  _mine text[];
  _done text[];
  _failed json;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION USING ERRCODE = 'HF001', MESSAGE = 'Holdfast needs read committed';
  END IF;
  IF _wait THEN
    SELECT array_agg(m.name) INTO _mine FROM (SELECT l.name FROM unnest(_names, _owners) AS u(name, owner) JOIN ${s}.leases l ON l.name = u.name
      WHERE l.owner = u.owner AND l.expires > _t ORDER BY l.name FOR NO KEY UPDATE OF l) m;
  ELSE
    SELECT array_agg(m.name) INTO _mine FROM (SELECT l.name FROM unnest(_names, _owners) AS u(name, owner) JOIN ${s}.leases l ON l.name = u.name
      WHERE l.owner = u.owner AND l.expires > _t ORDER BY l.name FOR NO KEY UPDATE OF l SKIP LOCKED) m;
  END IF;
  -- By owner: a batch may have a name twice, with one that has lost it and one that has it now. What ended while the lock was waited for stays ended.
  WITH extended AS (
    UPDATE ${s}.leases SET expires = clock_timestamp() + _ttl * interval '1 millisecond', renewals = renewals + 1
      WHERE name = ANY (_mine) AND expires > clock_timestamp() RETURNING owner
  ) SELECT array_agg(owner) INTO _done FROM extended;
  IF cardinality(_done) = cardinality(_names) THEN RETURN json_build_array(_owners[1])::text; END IF;
  SELECT json_agg(json_build_array(u.i, CASE
      WHEN l.expires > _t THEN CASE WHEN l.owner = u.owner THEN 'l' ELSE 'n' END
      WHEN EXISTS (SELECT FROM ${s}.readers r WHERE r.name = u.name AND r.expires > _t) THEN 'n' ELSE 'g' END,
      (SELECT e.why FROM ${s}.ended e WHERE e.name = u.name AND e.owner = u.owner)))
    INTO _failed FROM unnest(_names, _owners) WITH ORDINALITY AS u(name, owner, i) LEFT JOIN ${s}.leases l ON l.name = u.name
    WHERE _done IS NULL OR u.owner <> ALL (_done);
  RETURN json_build_array(_owners[1], _failed)::text;
END $holdfast$;

CREATE OR REPLACE FUNCTION ${s}.${v}_renew_shared(_names text[], _owners text[], _ttl integer, _wait boolean) RETURNS text LANGUAGE plpgsql AS $holdfast$
DECLARE
  _t timestamptz := clock_timestamp();
  _mine text[];
  _done text[];
  _failed json;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION USING ERRCODE = 'HF001', MESSAGE = 'Holdfast needs read committed';
  END IF;
  IF _wait THEN
    SELECT array_agg(m.owner) INTO _mine FROM (SELECT r.owner FROM unnest(_names, _owners) AS u(name, owner) JOIN ${s}.readers r ON r.name = u.name AND r.owner = u.owner
      WHERE r.expires > _t ORDER BY r.name, r.owner FOR NO KEY UPDATE OF r) m;
  ELSE
    SELECT array_agg(m.owner) INTO _mine FROM (SELECT r.owner FROM unnest(_names, _owners) AS u(name, owner) JOIN ${s}.readers r ON r.name = u.name AND r.owner = u.owner
      WHERE r.expires > _t ORDER BY r.name, r.owner FOR NO KEY UPDATE OF r SKIP LOCKED) m;
  END IF;
  WITH extended AS (
    UPDATE ${s}.readers SET expires = clock_timestamp() + _ttl * interval '1 millisecond', renewals = renewals + 1
      WHERE name = ANY (_names) AND owner = ANY (_mine) AND expires > clock_timestamp() RETURNING owner
  ) SELECT array_agg(owner) INTO _done FROM extended;
  IF cardinality(_done) = cardinality(_names) THEN RETURN json_build_array(_owners[1])::text; END IF;
  SELECT json_agg(json_build_array(u.i, CASE
      WHEN r.expires > _t THEN 'l'
      WHEN l.expires > _t OR EXISTS (SELECT FROM ${s}.readers o WHERE o.name = u.name AND o.expires > _t) THEN 'n' ELSE 'g' END,
      (SELECT e.why FROM ${s}.ended e WHERE e.name = u.name AND e.owner = u.owner)))
    INTO _failed FROM unnest(_names, _owners) WITH ORDINALITY AS u(name, owner, i)
    LEFT JOIN ${s}.leases l ON l.name = u.name LEFT JOIN ${s}.readers r ON r.name = u.name AND r.owner = u.owner
    WHERE _done IS NULL OR u.owner <> ALL (_done);
  RETURN json_build_array(_owners[1], _failed)::text;
END $holdfast$;
`;
