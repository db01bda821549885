import type { Held, Renewal, RevokedBy } from '../../core/backend.js';
import { callTimeoutMs } from '../../core/calls.js';
import { limits } from '../../core/limits.js';
import type { Commands } from './commands.js';
import type { Reply } from './driver.js';
import type { Keys } from './keys.js';
import { list, misdelivered, number, text } from './replies.js';
import { renewScript, renewSharedScript } from './scripts/renew.js';

/** A hold of the batch, and where its answer goes. */
interface Entry {
  readonly held: Held;
  readonly key: string;
  readonly index: number;
}

/**
 * One script call for all exclusive holds of a TTL; readers, who are fewer, one each, in the same round trip. In a Cluster all are
 * sent one each: it has as many slots as a large process has holds, so that a call per slot would save next to nothing,
 * and while a slot is on its way to another node a call for two of its names is refused as long as they are apart.
 */
export async function renewAll(
  commands: Commands,
  keys: Keys,
  holds: readonly Held[],
  commandTimeoutMs: number,
): Promise<readonly Renewal[]> {
  const answers: Renewal[] = [];
  const exclusive = new Map<number, Entry[]>();
  const sent: Promise<void>[] = [];
  const send = async (ttlMs: number, entries: readonly Entry[], script = renewScript) => {
    const owners = entries.map(({ held }) => held.owner);
    const args = [String(ttlMs), ...owners];
    const timeoutMs = callTimeoutMs(commandTimeoutMs, ttlMs, limits.renewTimeoutTtlRatioMax);
    try {
      const lockKeys = entries.map(({ key }) => key);
      readAnswers(await commands.eval(script, lockKeys, args, timeoutMs), entries, answers);
    } catch (cause) {
      for (const { index } of entries) answers[index] = { outcome: 'unknown', cause };
    }
  };
  for (const [index, held] of holds.entries()) {
    const entry = { held, key: keys.of(held.name), index };
    const ttlMs = Math.ceil(held.ttlMs);
    const group = exclusive.get(ttlMs);
    if (held.mode === 'shared') sent.push(send(ttlMs, [entry], renewSharedScript));
    else if (group === undefined) exclusive.set(ttlMs, [entry]);
    else group.push(entry);
  }
  const batch = commands.manyKeys ? limits.renewBatchMax : 1;
  for (const [ttlMs, group] of exclusive) {
    for (let i = 0; i < group.length; i += batch) sent.push(send(ttlMs, group.slice(i, i + batch)));
  }
  await Promise.all(sent);
  return answers;
}

/** The scripts name only those that were not extended. */
function readAnswers(reply: Reply, entries: readonly Entry[], answers: Renewal[]): void {
  const [owner, ...failed] = list(reply);
  // Another answer must not be taken for "all were extended".
  if (owner !== entries[0]?.held.owner) throw misdelivered();
  for (const { held, index } of entries) answers[index] = { outcome: 'renewed', ttlMs: held.ttlMs };
  for (let i = 0; i + 2 < failed.length; i += 3) {
    const entry = entries[number(failed[i]) - 1];
    if (entry !== undefined) answers[entry.index] = endingOf(text(failed[i + 1]), text(failed[i + 2]));
  }
}

function endingOf(letter: string, why: string): Renewal {
  const by = revokedBy(why);
  return { outcome: letter === 'g' ? 'gone' : 'not-yours', ...(by === undefined ? {} : { by }) };
}

/** Damage here must not reach the other holds of the batch. */
function revokedBy(why: string): RevokedBy | undefined {
  try {
    return why === '' ? undefined : (JSON.parse(why) as RevokedBy);
  } catch {
    return undefined;
  }
}
