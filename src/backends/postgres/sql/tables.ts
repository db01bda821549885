/**
 * The tables. All texts are ASCII (see text.ts), all times the server's own. `fillfactor` leaves room in each page for new
 * versions of its rows: no column that changes has an index, so that they stay there and nobody has to vacuum after them.
 */
export const tables = (s: string): string => `
CREATE TABLE IF NOT EXISTS ${s}.leases (
  name text COLLATE "C" PRIMARY KEY,
  fence bigint NOT NULL,              -- the last one minted, ever
  first bigint NOT NULL,              -- the first of the last grant
  owner text NOT NULL,                -- of the last grant, whether it is over or not
  expires timestamptz NOT NULL,       -- of the exclusive hold; -infinity: none
  free_since timestamptz NOT NULL,    -- claim windows of the queue count from here
  slow boolean NOT NULL,              -- there may be readers, waiters or ended owners: look into the other tables
  since timestamptz NOT NULL,         -- of the last grant
  ttl_ms integer NOT NULL,
  renewals integer NOT NULL,
  node text NOT NULL,
  metadata text NOT NULL
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE IF NOT EXISTS ${s}.readers (
  name text COLLATE "C" NOT NULL,
  owner text COLLATE "C" NOT NULL,
  first bigint NOT NULL,
  last bigint NOT NULL,
  expires timestamptz NOT NULL,
  since timestamptz NOT NULL,
  ttl_ms integer NOT NULL,
  renewals integer NOT NULL,
  node text NOT NULL,
  metadata text NOT NULL,
  PRIMARY KEY (name, owner)
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE IF NOT EXISTS ${s}.waiters (
  name text COLLATE "C" NOT NULL,
  owner text COLLATE "C" NOT NULL,
  seq bigint GENERATED ALWAYS AS IDENTITY, -- the order: drawn while the row of the name is locked
  shared boolean NOT NULL,
  channel text NOT NULL,              -- where to wake it; empty: it polls
  seen timestamptz NOT NULL,          -- when it last asked
  since timestamptz NOT NULL,
  ttl_ms integer NOT NULL,
  node text NOT NULL,
  metadata text NOT NULL,
  PRIMARY KEY (name, owner)
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE IF NOT EXISTS ${s}.ended (  -- owners that must not come back
  name text COLLATE "C" NOT NULL,
  owner text COLLATE "C" NOT NULL,
  until timestamptz NOT NULL,
  why text,                           -- who ended it, as the holder is told; of a revocation's own id: what it was told
  PRIMARY KEY (name, owner)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE IF NOT EXISTS ${s}.records (
  key text COLLATE "C" PRIMARY KEY,
  value text NOT NULL,
  version text NOT NULL,              -- <µs>-<id of the write>
  expires timestamptz,                -- NULL: never
  writes text[] NOT NULL              -- versions of the last writes: a late copy of one finds its trace
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE IF NOT EXISTS ${s}.meta (
  version integer NOT NULL,           -- of the functions that were added
  installed timestamptz NOT NULL,
  swept timestamptz NOT NULL,
  PRIMARY KEY (version)
);
`;
