import type { LockRecord } from '../../../core/backend.js';
import type { Commands } from '../../redis/commands.js';
import type { Keys } from '../../redis/keys.js';
import { list, number } from '../../redis/replies.js';
import { holderRecord, isOurs } from '../../redis/values.js';
import { holderScript } from './scripts/holder.js';

/** Locks that are read in one step: some hundred microseconds of the server's time. */
const locksAtOnce = 100;

/** The holders below a prefix. Walks the keyspace with SCAN, which holds nobody up. */
export async function holdersBelow(
  commands: Commands,
  keys: Keys,
  prefix: string,
  timeoutMs: number,
): Promise<readonly LockRecord[]> {
  const found = new Map<string, LockRecord>();
  for await (const portion of commands.scan(keys.patterns(prefix).locks, timeoutMs)) {
    const wanted = portion.filter((key) => !found.has(key) && keys.nameOf(key).startsWith(prefix));
    for (let i = 0; i < wanted.length; i += locksAtOnce) {
      const holders = await holdersAt(commands, keys, wanted.slice(i, i + locksAtOnce), prefix, timeoutMs);
      for (const record of holders) found.set(record.key, record);
    }
  }
  return [...found.values()];
}

/** Those of the locks that somebody holds, as of one moment. */
export async function holdersAt(
  commands: Commands,
  keys: Keys,
  locks: readonly string[],
  prefix: string,
  timeoutMs: number,
): Promise<readonly LockRecord[]> {
  const [now, ...holders] = list(await commands.eval(holderScript, locks, [], timeoutMs));
  return locks.flatMap((key, n) => {
    const holder = holders[n] ?? null;
    if (list(holder).length === 0) return [];
    const name = keys.nameOf(key);
    // Without a prefix every key of the database could be meant: others' are shown where they look like locks.
    if (keys.prefix === '' && name !== prefix && number(list(holder)[2]) <= 0 && !isOurs(holder)) return [];
    return holderRecord(holder, { name, key, nowMs: number(now) });
  });
}
