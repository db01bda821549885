import type { Held, Renewal, RevokedBy } from '../../core/backend.js';
import { callTimeoutMs } from '../../core/calls.js';
import { limits } from '../../core/limits.js';
import type { Calls } from './calls.js';
import type { Reply } from './driver.js';
import type { Keys } from './keys.js';
import { list, number, text } from './replies.js';
import { renewScript, renewSharedScript } from './scripts/renew.js';

/** A hold of the batch, and where its answer goes. */
interface Entry {
  readonly held: Held;
  readonly key: string;
  readonly index: number;
}

/** One script call for all exclusive holds; readers, who are fewer, one each, in the same round trip. */
export async function renewAll(
  calls: Calls,
  keys: Keys,
  holds: readonly Held[],
  commandTimeoutMs: number,
): Promise<readonly Renewal[]> {
  const answers: Renewal[] = [];
  const exclusive: Entry[] = [];
  const sent: Promise<void>[] = [];
  const send = async (entries: readonly Entry[], script = renewScript) => {
    const args = entries.flatMap(({ held }) => [held.owner, String(Math.ceil(held.ttlMs))]);
    const shortestMs = entries.reduce((min, { held }) => Math.min(min, held.ttlMs), Number.POSITIVE_INFINITY);
    const timeoutMs = callTimeoutMs(commandTimeoutMs, shortestMs, limits.renewTimeoutTtlRatioMax);
    try {
      const lockKeys = entries.map(({ key }) => key);
      readAnswers(await calls.eval(script, lockKeys, args, timeoutMs), entries, answers);
    } catch (cause) {
      for (const { index } of entries) answers[index] = { outcome: 'unknown', cause };
    }
  };
  for (const [index, held] of holds.entries()) {
    const entry = { held, key: keys.of(held.name), index };
    if (held.mode === 'exclusive') exclusive.push(entry);
    else sent.push(send([entry], renewSharedScript));
  }
  for (let i = 0; i < exclusive.length; i += limits.renewBatchMax) sent.push(send(exclusive.slice(i, i + limits.renewBatchMax)));
  await Promise.all(sent);
  return answers;
}

/** The scripts name only those that were not extended. */
function readAnswers(reply: Reply, entries: readonly Entry[], answers: Renewal[]): void {
  // An answer of another kind must not be taken for "all were extended".
  if (!Array.isArray(reply)) throw new Error('the script gave no legal answer');
  for (const { held, index } of entries) answers[index] = { outcome: 'renewed', ttlMs: held.ttlMs };
  const failed = list(reply);
  for (let i = 0; i + 2 < failed.length; i += 3) {
    const entry = entries[number(failed[i]) - 1];
    if (entry !== undefined) answers[entry.index] = endingOf(text(failed[i + 1]), text(failed[i + 2]));
  }
}

function endingOf(letter: string, why: string): Renewal {
  const by = why === '' ? {} : { by: JSON.parse(why) as RevokedBy };
  return { outcome: letter === 'g' ? 'gone' : 'not-yours', ...by };
}
