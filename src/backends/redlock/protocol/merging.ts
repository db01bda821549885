import type { LockRecord } from '../../../core/backend.js';

/** Whether a majority names the same holder of one name, or nobody: what the others would say changes nothing. */
export function agreed(lists: readonly (readonly LockRecord[])[], quorum: number): boolean {
  const votes = new Map<string, number>();
  for (const [holder] of lists) votes.set(holder?.ownerDigest ?? '', (votes.get(holder?.ownerDigest ?? '') ?? 0) + 1);
  return [...votes.values()].some((count) => count >= quorum);
}

/**
 * What nodes show of holders, as one list: a holder is one if a majority may have it, counting nodes that did not answer for it.
 * Shown as the majority has it: with the time left on the last node that makes it one.
 */
export function merged(lists: readonly (readonly LockRecord[])[], silent: number, quorum: number): readonly LockRecord[] {
  const found = new Map<string, LockRecord[]>();
  for (const record of lists.flat()) {
    const id = JSON.stringify([record.name, record.ownerDigest]);
    const same = found.get(id);
    if (same === undefined) found.set(id, [record]);
    else same.push(record);
  }
  const likeliest = new Map<string, LockRecord[]>();
  for (const records of found.values()) {
    const name = records[0]?.name ?? '';
    // At most one can have a majority; while nodes are silent, several may seem to.
    if (records.length + silent >= quorum && records.length > (likeliest.get(name)?.length ?? 0)) likeliest.set(name, records);
  }
  return [...likeliest.values()].map((records) => {
    const sorted = [...records].sort((a, b) => (b.expiresInMs ?? Infinity) - (a.expiresInMs ?? Infinity));
    const fences = records.flatMap(({ fence }) => (fence === undefined ? [] : [fence])).sort((a, b) => (a < b ? -1 : 1));
    const record = sorted[Math.min(sorted.length, Math.max(1, quorum - silent)) - 1] as LockRecord;
    const fence = fences[Math.min(fences.length, Math.max(1, quorum - silent)) - 1];
    return fence === undefined ? record : { ...record, fence };
  });
}
