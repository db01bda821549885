import type { LockRecord } from '../../core/backend.js';
import type { Examination, NamePause } from '../../core/examination.js';
import { rivalOf } from '../../core/examining.js';
import { limits } from '../../core/limits.js';
import type { LockName } from '../../core/name.js';
import type { Context } from './context.js';
import { recordsOf, selectRows } from './list.js';

/** The pause before the next one may come is counted from here. */
const selectFreeSince = 'SELECT free_since AS at FROM locks WHERE name = :name AND boot = :boot AND owner IS NULL';

/** What stands in the way of one name: a claim that is waited for, and names that differ in upper and lower case alone. Nobody else writes to the file. */
export function examination(context: Context, name: LockName): Examination {
  const records = recordsOf(context, selectRows(context.db), '');
  const own = records.filter((record) => record.name === name.text);
  const others = records.filter(
    (record) => record.state === 'held' && record.name !== name.text && isSame(record.name, name.text),
  );
  return { foreign: [], pauses: pausesOf(context, name, own), rivals: others.map((record) => rivalOf(record, 'case')) };
}

function isSame(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

function pausesOf({ db, boot, nowMs }: Context, name: LockName, own: readonly LockRecord[]): readonly NamePause[] {
  const [head] = own;
  const row = head?.state === 'waiting' ? db.get(selectFreeSince, { name: name.encoded, boot }) : undefined;
  // One whose process is seen to be gone is passed over at once.
  if (head === undefined || row === undefined || head.alive === false) return [];
  const leftMs = Number(row['at']) + limits.claimMs - nowMs;
  const of = `process ${head.node.pid} on ${head.node.host} (${head.ownerDigest})`;
  return leftMs > 0 && leftMs <= limits.claimMs ? [{ because: 'claim', leftMs, of }] : [];
}
