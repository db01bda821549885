import { limits } from '../../core/limits.js';

/** Rows that come and go: vacuumed early, and at full speed. */
const busy =
  'autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 0';

/** `seq` of the last event before a key's first one. */
export const nothingBefore = 0;

/**
 * The tables of the outbox. All texts are ASCII, all times the server's own. Three kinds of rows, changed by different
 * people, so that none waits for another: `heads` by writers, `shards` and `relays` by relays, `events` by who wrote them and then by the
 * relay that has claimed their shard.
 */
export const tables = (s: string): string => `
CREATE TABLE IF NOT EXISTS ${s}.outbox_heads (
  key text COLLATE "C" PRIMARY KEY,
  seq bigint NOT NULL,                -- of the key's last event, ever
  tail bigint NOT NULL,               -- what its next event comes after: seq, unless the last was discarded
  before bigint NOT NULL,             -- what its last event came after
  shard smallint NOT NULL
) WITH (fillfactor = 60, ${busy});

CREATE TABLE IF NOT EXISTS ${s}.outbox_events (
  shard smallint NOT NULL,
  parked boolean NOT NULL,            -- not to be looked at: behind a letter of its key, or one itself
  pos bigint GENERATED ALWAYS AS IDENTITY, -- drawn while the head of the key is locked: within a key, the order of commits
  id uuid NOT NULL,
  key text COLLATE "C",               -- NULL: in no order
  seq bigint,
  after bigint,
  type text NOT NULL,
  payload json NOT NULL,
  headers json NOT NULL,
  written timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (shard, parked, pos)
) WITH (${busy});
CREATE INDEX IF NOT EXISTS outbox_events_parked ON ${s}.outbox_events (key) WHERE parked;

CREATE TABLE IF NOT EXISTS ${s}.outbox_letters ( -- events that could not be published: tried again, or dead
  pos bigint PRIMARY KEY,
  shard smallint NOT NULL,
  id uuid NOT NULL,
  key text COLLATE "C",
  attempts integer NOT NULL,
  due timestamptz NOT NULL,
  dead timestamptz,                   -- since when
  error text NOT NULL
) WITH (fillfactor = 60, ${busy});

CREATE TABLE IF NOT EXISTS ${s}.outbox_discarded ( -- dead letters that were taken out: for who did it, and lost the answer
  id uuid PRIMARY KEY,
  at timestamptz NOT NULL,
  said json NOT NULL
);

CREATE TABLE IF NOT EXISTS ${s}.outbox_shards (
  shard smallint PRIMARY KEY,
  relay text NOT NULL,                -- empty: nobody's
  fence bigint NOT NULL,              -- of the last claim, ever
  until timestamptz NOT NULL
) WITH (fillfactor = 10, ${busy});
INSERT INTO ${s}.outbox_shards SELECT n, '', 0, '-infinity' FROM generate_series(0, ${limits.outboxShards - 1}) n ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS ${s}.outbox_relays (
  relay text PRIMARY KEY,
  until timestamptz NOT NULL,
  asleep boolean NOT NULL             -- it has nothing to do: writers notify it
) WITH (fillfactor = 10, ${busy});

CREATE TABLE IF NOT EXISTS ${s}.outbox_meta (
  version integer PRIMARY KEY,        -- of the functions that were added
  installed timestamptz NOT NULL,
  swept timestamptz NOT NULL
);
`;
