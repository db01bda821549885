import type { LockRecord } from '../../core/backend.js';
import { limits } from '../../core/limits.js';
import type { LockName } from '../../core/name.js';
import type { Commands } from './commands.js';
import type { Reply } from './driver.js';
import { Keys } from './keys.js';
import { list, number, text } from './replies.js';
import { listScript } from './scripts/list.js';
import { looksLikeLock } from './shapes.js';
import { holderRecord, isOurs, type Place, waiterRecord } from './values.js';

/** Names that are read at the same time. */
const namesAtOnce = 50;

/**
 * Everybody below a prefix, name by name, each as of one moment. Walks the keyspace with SCAN, which holds nobody up,
 * once for locks and once for names that only have waiters.
 */
export async function* records(commands: Commands, keys: Keys, prefix: string, timeoutMs: number): AsyncGenerator<LockRecord> {
  const seen = new Set<string>();
  const { locks, waited } = keys.patterns(prefix);
  for (const pattern of [locks, waited]) {
    for await (const found of commands.scan(pattern, timeoutMs)) {
      const fresh = found.map((key) => (pattern === waited ? Keys.lockOf(key) : key)).filter((key) => !seen.has(key));
      const wanted = [...new Set(fresh)].filter((key) => keys.nameOf(key).startsWith(prefix));
      for (const key of wanted) seen.add(key);
      for (let i = 0; i < wanted.length; i += namesAtOnce) {
        const portion = wanted.slice(i, i + namesAtOnce);
        const replies = await Promise.all(portion.map((key) => commands.eval(listScript, [key], [], timeoutMs)));
        for (const [n, key] of portion.entries()) yield* recordsOf(replies[n] ?? null, key, keys, prefix);
      }
    }
  }
}

/** Everybody at one name. */
export async function recordsAt(
  commands: Commands,
  keys: Keys,
  name: LockName,
  timeoutMs: number,
): Promise<readonly LockRecord[]> {
  const key = keys.of(name);
  return recordsOf(await commands.eval(listScript, [key], [], timeoutMs), key, keys, name.text);
}

/** Holders of one key, whatever its prefix: holds of ours, and texts that end and look like a lock of a known library. A cache's entries end, too. */
export async function locksAt(commands: Commands, keys: Keys, key: string, timeoutMs: number): Promise<readonly LockRecord[]> {
  const [now, holders] = list(await commands.eval(listScript, [key], [], timeoutMs));
  const place: Place = { name: keys.nameOf(key), key, nowMs: number(now) };
  const locks = list(holders).filter(
    (holder) => isOurs(holder) || (number(list(holder)[2]) > 0 && looksLikeLock(text(list(holder)[1]))),
  );
  return locks.map((holder) => holderRecord(holder, place));
}

function recordsOf(reply: Reply, key: string, keys: Keys, prefix: string): readonly LockRecord[] {
  const [now, holders, writers, readers] = list(reply);
  const place: Place = { name: keys.nameOf(key), key, nowMs: number(now) };
  // Without a prefix every key of the database could be meant: others' are shown where they look like locks.
  const anyKey = keys.prefix === '' && place.name !== prefix;
  const held = list(holders)
    .filter((holder) => !anyKey || number(list(holder)[2]) > 0 || isOurs(holder))
    .map((holder) => holderRecord(holder, place))
    // A reader whose time is over stands there until the next ask.
    .filter((record) => record.mode === 'exclusive' || record.expiresInMs !== undefined);
  return [...held, ...inOrder(list(writers), list(readers), place)];
}

function inOrder(writers: readonly Reply[], readers: readonly Reply[], place: Place): readonly LockRecord[] {
  const all: { readonly at: number; readonly record: LockRecord }[] = [];
  for (const [mode, flat] of [['exclusive', writers] as const, ['shared', readers] as const]) {
    for (let i = 0; i + 2 < flat.length; i += 3) {
      const record = waiterRecord(text(flat[i]), mode, text(flat[i + 2]), place, limits.placeMs);
      if (record !== undefined) all.push({ at: number(flat[i + 1]), record });
    }
  }
  return all.sort((a, b) => a.at - b.at).map(({ record }) => record);
}
