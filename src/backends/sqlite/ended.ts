import type { RevokedBy } from '../../core/backend.js';
import { limits } from '../../core/limits.js';
import { aheadMsMax } from './clock.js';
import type { Context } from './context.js';

const selectEnded = 'SELECT kind, reason FROM ended WHERE owner = :owner AND boot = :boot AND until > :now';

const insertEnded = `
  INSERT INTO ended (owner, boot, until, kind, reason) VALUES (:owner, :boot, :until, :kind, :reason)
  ON CONFLICT (owner) DO UPDATE SET boot = excluded.boot, until = excluded.until, kind = excluded.kind, reason = excluded.reason`;

const deleteOld = 'DELETE FROM ended WHERE until <= :now OR until > :ahead';

/** Remembers an owner that must not come back, so that its ask cannot take effect when it arrives late. */
export function end(context: Context, owner: string, by: RevokedBy | undefined): void {
  const { db, boot, nowMs: now } = context;
  const until = now + limits.tombstoneMs;
  // Another process's reading of the clock may be a little ahead of ours.
  db.run(deleteOld, { now, ahead: until + aheadMsMax });
  db.run(insertEnded, { owner, boot, until, kind: by?.kind ?? null, reason: by?.reason ?? null });
}

/** Undefined: it may come. Otherwise who ended it, where that was said. */
export function endOf(context: Context, owner: string): { readonly by?: RevokedBy } | undefined {
  const row = context.db.get(selectEnded, { owner, boot: context.boot, now: context.nowMs });
  if (row === undefined) return undefined;
  const { kind, reason } = row;
  if (kind !== 'revoked' && kind !== 'stolen') return {};
  return { by: { kind, reason: typeof reason === 'string' ? reason : '' } };
}
