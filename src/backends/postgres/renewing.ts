import { asciiName } from '../../core/ascii.js';
import type { Held, Renewal, RevokedBy } from '../../core/backend.js';
import { callTimeoutMs } from '../../core/calls.js';
import { limits } from '../../core/limits.js';
import { misdelivered } from './answers.js';
import type { Commands } from './commands.js';
import { textArray } from './sql/text.js';

/** A hold of the batch, and where its answer goes. */
interface Entry {
  readonly held: Held;
  readonly index: number;
}

type Failed = readonly [number: number, letter: 'g' | 'n' | 'l', why: string | null];

/**
 * One statement for all holds of a TTL and mode. Rows that somebody else had locked are asked for again each by itself, and waited for: whoever sits
 * on one of them holds up no other.
 */
export async function renewAll(
  commands: Commands,
  holds: readonly Held[],
  commandTimeoutMs: number,
): Promise<readonly Renewal[]> {
  const answers: Renewal[] = [];
  const groups = new Map<string, Entry[]>();
  for (const [index, held] of holds.entries()) {
    const key = `${held.mode} ${Math.ceil(held.ttlMs)}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [{ held, index }]);
    else group.push({ held, index });
  }
  const sent: Promise<void>[] = [];
  for (const group of groups.values()) {
    for (let i = 0; i < group.length; i += limits.renewBatchMax) {
      sent.push(renewGroup(commands, group.slice(i, i + limits.renewBatchMax), commandTimeoutMs, answers));
    }
  }
  await Promise.all(sent);
  return answers;
}

async function renewGroup(
  commands: Commands,
  entries: readonly Entry[],
  commandTimeoutMs: number,
  answers: Renewal[],
): Promise<void> {
  const locked = await renewOnce(commands, entries, false, commandTimeoutMs, answers);
  await Promise.all(locked.map((entry) => renewOnce(commands, [entry], true, commandTimeoutMs, answers)));
}

/** Fills in the answers; those that it has none for are returned. */
async function renewOnce(
  commands: Commands,
  entries: readonly Entry[],
  wait: boolean,
  commandTimeoutMs: number,
  answers: Renewal[],
): Promise<readonly Entry[]> {
  const [first] = entries as readonly [Entry, ...Entry[]];
  const { ttlMs, mode } = first.held;
  const names = textArray(entries.map(({ held }) => asciiName(held.name.encoded)));
  const owners = textArray(entries.map(({ held }) => held.owner));
  // What is asked for a second time shares the time of the first.
  const timeoutMs = callTimeoutMs(commandTimeoutMs, ttlMs, limits.renewTimeoutTtlRatioMax) * (wait ? 0.7 : 1);
  const name = mode === 'shared' ? 'renew_shared' : 'renew';
  try {
    const args = [{ sql: names }, { sql: owners }, Math.ceil(ttlMs), wait] as const;
    return readAnswers(await commands.call(name, args, 'renewing', timeoutMs), entries, answers);
  } catch (cause) {
    for (const { index } of entries) answers[index] = { outcome: 'unknown', cause };
    return [];
  }
}

/** The functions name only those that were not extended. */
function readAnswers(reply: string | null, entries: readonly Entry[], answers: Renewal[]): readonly Entry[] {
  const [owner, failed] = JSON.parse(reply ?? '[]') as [string, readonly Failed[] | undefined];
  // Another answer must not be taken for "all were extended".
  if (owner !== entries[0]?.held.owner) throw misdelivered();
  for (const { held, index } of entries) answers[index] = { outcome: 'renewed', ttlMs: held.ttlMs };
  const locked: Entry[] = [];
  for (const [number, letter, why] of failed ?? []) {
    const entry = entries[number - 1];
    if (entry === undefined) continue;
    answers[entry.index] = endingOf(letter, why);
    if (letter === 'l') locked.push(entry);
  }
  return locked;
}

function endingOf(letter: Failed[1], why: string | null): Renewal {
  if (letter === 'l') return { outcome: 'unknown', cause: new Error('another session has the row locked') };
  const by = revokedBy(why);
  return { outcome: letter === 'g' ? 'gone' : 'not-yours', ...(by === undefined ? {} : { by }) };
}

/** Damage here must not reach the other holds of the batch. */
function revokedBy(why: string | null): RevokedBy | undefined {
  try {
    return why === null ? undefined : (JSON.parse(why) as RevokedBy);
  } catch {
    return undefined;
  }
}
