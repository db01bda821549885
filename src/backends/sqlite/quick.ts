import type { Ask, Grant, Held, Renewal } from '../../core/backend.js';
import { aheadMsMax } from './clock.js';
import type { Here } from './context.js';
import type { Database } from './database.js';
import { metadataText, nodeText } from './rows.js';

// The common case of every operation in one statement, where nobody waits and nobody shares. Each answers undefined where
// the case is not common, and has then changed nothing: `store.ts` decides.

/**
 * Takes a lock that nobody has. It is free if its holder released it, its time is over, or the machine was booted since.
 * An owner that was ended is left to the thorough way. Casts: libsql binds numbers as floating point, whose sums are not
 * exact beyond 2^53.
 */
const takeFree = `
  INSERT INTO locks (name, fence, boot, written, free_since, others, owner, first, since, until, ttl, renewals, node, metadata)
  SELECT :name, floor.first + CAST(:count AS INTEGER) - 1, :boot, :now, :now, 0, :owner, floor.first, :now, :until, :ttl, 0, :node, :metadata
  FROM (SELECT max(CAST(:wall AS INTEGER), coalesce((SELECT value FROM meta WHERE key = 'fence_floor'), 0) + 1) AS first) AS floor
  WHERE NOT EXISTS (SELECT 1 FROM ended WHERE owner = :owner)
  ON CONFLICT (name) DO UPDATE SET
    fence = max(CAST(:wall AS INTEGER), locks.fence + 1) + CAST(:count AS INTEGER) - 1,
    first = max(CAST(:wall AS INTEGER), locks.fence + 1),
    boot = excluded.boot, written = excluded.written, owner = excluded.owner, since = excluded.since, until = excluded.until,
    ttl = excluded.ttl, renewals = 0, node = excluded.node, metadata = excluded.metadata
  WHERE locks.others = 0
    AND (locks.boot <> :boot
      OR (locks.written <= :ahead AND (locks.owner IS NULL OR locks.until BETWEEN locks.written AND :now)))
  RETURNING CAST(first AS TEXT) AS first, CAST(fence AS TEXT) AS last`;

export function quickAcquire(here: Here, db: Database, ask: Ask): Grant | undefined {
  if (ask.mode !== 'exclusive') return undefined;
  const { clock } = here;
  const now = clock.nowMs();
  const row = db.get(takeFree, {
    name: ask.name.encoded,
    owner: ask.owner,
    ttl: ask.ttlMs,
    node: nodeText(ask.node, here.self.skewTicks),
    metadata: metadataText(ask.metadata),
    boot: clock.boot,
    now,
    until: now + ask.ttlMs + clock.slackMs,
    ahead: now + aheadMsMax,
    wall: clock.wallUs(),
    count: ask.fences,
  });
  if (row === undefined) return undefined;
  return {
    outcome: 'granted',
    fences: { first: BigInt(row['first'] as string), last: BigInt(row['last'] as string) },
    ttlMs: ask.ttlMs,
  };
}

const giveBack = `
  UPDATE locks SET owner = NULL, written = :now, free_since = :now
  WHERE name = :name AND owner = :owner AND others = 0 AND boot = :boot AND until > :now AND written <= :ahead`;

export function quickRelease(here: Here, db: Database, held: Held): 'released' | undefined {
  if (held.mode !== 'exclusive') return undefined;
  const now = here.clock.nowMs();
  const bound = { name: held.name.encoded, owner: held.owner, boot: here.clock.boot, now, ahead: now + aheadMsMax };
  return db.run(giveBack, bound) === 1 ? 'released' : undefined;
}

const extendExclusive = `
  UPDATE locks SET until = :until, written = :now, renewals = renewals + 1
  WHERE name = :name AND owner = :owner AND boot = :boot AND until > :now AND written <= :ahead`;

const extendShared = extendExclusive.replace('UPDATE locks', 'UPDATE shares');

export function quickRenew(here: Here, db: Database, held: Held, now: number): Renewal | undefined {
  const { boot, slackMs } = here.clock;
  const until = now + held.ttlMs + slackMs;
  const bound = { name: held.name.encoded, owner: held.owner, boot, now, until, ahead: now + aheadMsMax };
  const changed = db.run(held.mode === 'exclusive' ? extendExclusive : extendShared, bound);
  return changed === 1 ? { outcome: 'renewed', ttlMs: held.ttlMs } : undefined;
}
