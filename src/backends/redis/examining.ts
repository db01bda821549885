import { ownerDigest, systemPorts } from '../../core/clock.js';
import type { Examination, ForeignLock, NamePause, Rival } from '../../core/examination.js';
import { rivalOf, seenTwice } from '../../core/examining.js';
import { limits } from '../../core/limits.js';
import type { LockName } from '../../core/name.js';
import { shellWord } from '../../core/shell-word.js';
import type { Commands } from './commands.js';
import type { Reply } from './driver.js';
import type { Keys } from './keys.js';
import { locksAt } from './listing.js';
import { list, number, text } from './replies.js';
import { examineScript } from './scripts/examine.js';
import { type Shape, shapeOf } from './shapes.js';
import { isWhole, waiterRecord } from './values.js';

/** What is asked with. */
export interface Examiner {
  readonly commands: Commands;
  readonly keys: Keys;
  readonly timeoutMs: number;
  /** The server's own tool, ready to be given a command. */
  readonly tool: string;
}

/** One key as the script shows it. */
interface Seen {
  readonly kind: string;
  readonly leftMs: number;
  readonly value: string;
  readonly fields: readonly string[];
  readonly sha: string;
  readonly reading: number;
  readonly claims: readonly Reply[];
}

/** What stands in the way of one name. Walks the keyspace once, for names that differ in case or prefix alone; once more where there was something to see. */
export function examine(examiner: Examiner, name: LockName): Promise<Examination> {
  return seenTwice(systemPorts(), async () => {
    const key = examiner.keys.of(name);
    const seen = await lookAt(examiner, key);
    return {
      foreign: foreignOf(examiner, key, seen),
      pauses: pausesOf(seen, { name: name.text, key }),
      rivals: await rivalsOf(examiner, name, key),
    };
  });
}

/** A lock at this key that is none of ours, or is damaged, or has no end: one, or none. */
export async function foreignAt(examiner: Examiner, key: string): Promise<readonly ForeignLock[]> {
  return foreignOf(examiner, key, await lookAt(examiner, key));
}

async function lookAt({ commands, timeoutMs }: Examiner, key: string): Promise<Seen> {
  const [kind, left, value, fields, sha, reading, claims] = list(await commands.eval(examineScript, [key], [], timeoutMs));
  return {
    kind: text(kind),
    leftMs: number(left),
    value: text(value),
    fields: list(fields).map(text),
    sha: text(sha),
    reading: number(reading),
    claims: list(claims),
  };
}

/** Undefined for a free name, and for a lock of ours that is as it should be. */
function shapeOfSeen({ kind, leftMs, value, fields }: Seen): Shape | undefined {
  if (kind === 'none') return undefined;
  const shape = shapeOf(kind, value, fields, Date.now());
  if (shape.library !== 'holdfast') return shape;
  const isOurs = isWhole(value) || value === '{"holdfast":1,"shared":true}' || value.startsWith('{"holdfast":1,"claim":"');
  if (!isOurs) return { ...shape, shape: 'a hold of Holdfast that is damaged' };
  return leftMs === -1 ? shape : undefined;
}

function foreignOf({ tool }: Examiner, key: string, seen: Seen): readonly ForeignLock[] {
  const { kind, leftMs, sha } = seen;
  const shape = shapeOfSeen(seen);
  if (shape === undefined) return [];
  const word = shellWord(key);
  const read = kind === 'string' ? 'GET' : 'DUMP';
  const same = `if redis.sha1hex(redis.call("${read}",KEYS[1]) or "")==ARGV[1] then return redis.call("DEL",KEYS[1]) end return 0`;
  const look = kind === 'string' ? `${tool} GET ${word}` : `${tool} ${kind === 'hash' ? 'HGETALL' : 'TYPE'} ${word}`;
  const expiresInMs = leftMs < 0 ? undefined : leftMs;
  return [{ key, ...shape, expiresInMs, look, remove: `${tool} EVAL '${same}' 1 ${word} ${sha}` }];
}

function pausesOf({ claims, leftMs }: Seen, at: { readonly name: string; readonly key: string }): readonly NamePause[] {
  const [owner, record] = claims;
  if (owner === undefined) return [];
  const waiter = waiterRecord(text(owner), 'exclusive', text(record), { ...at, nowMs: 0 }, limits.placeMs);
  const of = waiter === undefined ? ownerDigest(text(owner)) : `process ${waiter.node.pid} on ${waiter.node.host}`;
  return [{ because: 'claim', leftMs: leftMs < 0 ? undefined : leftMs, of: `${of} (${ownerDigest(text(owner))})` }];
}

/** Keys that are read: more of one ending are no two names for one thing. */
const candidatesMax = 50;
/** A keyspace of many millions must not keep a person waiting: who else has the name is then told for the part that was walked. */
const walkMsMax = 3_000;
/** What parts a prefix from a name. */
const separator = /[:/._|-]$/;
/** The prefix of those who have not chosen one. */
const prefixDefault = 'holdfast:';

async function rivalsOf(examiner: Examiner, name: LockName, own: string): Promise<readonly Rival[]> {
  const { commands, keys, timeoutMs } = examiner;
  const found = new Map<string, Rival['differs']>();
  const { now } = systemPorts();
  const endMs = now().monotonicMs + walkMsMax;
  for await (const portion of commands.scan(keys.endingPattern(name), timeoutMs)) {
    for (const key of portion) {
      const differs = difference(key, own, keys);
      if (differs !== undefined && found.size < candidatesMax) found.set(key, differs);
    }
    if (now().monotonicMs > endMs) break;
  }
  const read = [...found].map(async ([key, differs]) => {
    const records = await locksAt(commands, keys, key, timeoutMs);
    // Under another prefix the key tells more than the name.
    return records.map((record) => rivalOf({ ...record, key, name: differs === 'case' ? record.name : key }, differs));
  });
  return (await Promise.all(read)).flat();
}

/** How a key that ends like ours, but for the case, differs from it; undefined if it is of another name. */
function difference(key: string, own: string, { prefix }: Keys): Rival['differs'] | undefined {
  if (key === own || key.startsWith('{')) return undefined;
  const name = own.slice(prefix.length);
  if (key.length === own.length && key.startsWith(prefix)) return 'case';
  const before = key.slice(0, key.length - name.length);
  if (!key.endsWith(name) || name === '') return undefined;
  // Without a prefix, `a:b` and `b` are two names; only the default one tells that another prefix is meant.
  if (prefix === '') return before === prefixDefault ? 'prefix' : undefined;
  return before === '' || (!key.startsWith(prefix) && separator.test(before)) ? 'prefix' : undefined;
}
