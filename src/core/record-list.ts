import { BackendCorruptError } from './errors.js';
import type { StoredRecord } from './records.js';

/** Records that are read at the same time. */
const atOnce = 50;
/** Keys that are remembered so that none comes twice: some megabytes. */
const rememberedMax = 100_000;

/** For stores that list keys: reads what stands there, portion by portion. A key that comes twice is read once, unless very many have come in between. */
export async function* recordsAt(
  portions: AsyncIterable<readonly string[]>,
  get: (key: string) => Promise<StoredRecord | undefined>,
): AsyncGenerator<StoredRecord> {
  const seen = new Set<string>();
  for await (const keys of portions) {
    const fresh = [...new Set(keys)].filter((key) => !seen.has(key));
    if (seen.size > rememberedMax) seen.clear();
    for (const key of fresh) seen.add(key);
    for (let i = 0; i < fresh.length; i += atOnce) {
      const found = await Promise.all(fresh.slice(i, i + atOnce).map((key) => unlessDamaged(() => get(key))));
      for (const record of found) if (record !== undefined) yield record;
    }
  }
}

/** One that is damaged must not hide the others: a listing leaves it out. */
export async function unlessDamaged<T>(read: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof BackendCorruptError) return undefined;
    throw error;
  }
}
