import type { Backend, LockRecord } from '../../core/backend.js';
import type { LockName } from '../../core/name.js';

/** What `list` shows of one name. */
export async function listedAt(store: Backend, name: LockName): Promise<readonly LockRecord[]> {
  const found: LockRecord[] = [];
  for await (const record of store.list(name.text)) if (record.name === name.text) found.push(record);
  return found;
}

/** What two looks at the same holds and places must agree on: of times, only that they are told. */
export function timeless(records: readonly LockRecord[]): readonly object[] {
  return records.map((record) => ({
    ...record,
    sinceMs: record.sinceMs >= 0,
    ...(record.expiresInMs === undefined ? {} : { expiresInMs: record.expiresInMs >= 0 }),
  }));
}
