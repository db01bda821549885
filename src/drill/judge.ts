import { type Promised, promises } from './promises.js';
import { inSeconds } from './rows.js';
import type { Turn } from './turns.js';

/** What a history says about one promise. */
export interface Verdict {
  readonly promise: Promised;
  readonly promised: string;
  readonly seen: string;
  readonly held: boolean;
}

type GrantedTurn = Turn & { readonly granted: NonNullable<Turn['granted']> };

/** In the order of their first touches. */
function granted(turns: readonly Turn[]): readonly GrantedTurn[] {
  return turns.filter((turn): turn is GrantedTurn => turn.granted !== undefined);
}

/** Each turn with all that were granted after it. */
function* inOrder(turns: readonly Turn[]): Generator<readonly [GrantedTurn, GrantedTurn]> {
  const all = granted(turns);
  for (const [i, earlier] of all.entries()) for (const later of all.slice(i + 1)) yield [earlier, later];
}

/**
 * For how long two believed in it: the later one had touched its lease before the earlier one began its last touch that was answered with
 * yes. Each reading is taken on the side that favours the store: what is found did happen. A hold that an operator ended is believed in
 * until its next renewal, and does not count.
 */
export function overlapMs(turns: readonly Turn[]): number {
  let longestMs = 0;
  for (const [earlier, later] of inOrder(turns)) {
    const lastMs = Math.min(earlier.held.at(-1)?.atMs ?? earlier.granted.atMs, earlier.endedMs ?? Infinity);
    longestMs = Math.max(longestMs, lastMs - later.granted.atMs);
  }
  return longestMs;
}

export function exclusion(turns: readonly Turn[]): Verdict {
  const ms = overlapMs(turns);
  return {
    promise: promises.exclusion,
    promised: 'never two at once',
    seen: ms > 0 ? `two at once, for ${inSeconds(ms)}` : `one at a time, ${granted(turns).length} turns`,
    held: ms <= 0,
  };
}

/** A lease that was neither released nor ended is owed until its local deadline, whatever its holder does meanwhile. */
export function owed(turns: readonly Turn[]): Verdict {
  let earlyMs = 0;
  for (const [earlier, later] of inOrder(turns)) {
    const grantedMs = later.granted.atMs;
    if ((earlier.releasingMs ?? earlier.endedMs ?? Infinity) <= grantedMs) continue;
    const last = earlier.held.findLast(({ atMs }) => atMs <= grantedMs);
    earlyMs = Math.max(earlyMs, (last?.owedUntilMs ?? 0) - grantedMs);
  }
  return {
    promise: promises.owed,
    promised: 'not before the lease was over',
    seen: earlyMs > 0 ? `${inSeconds(earlyMs)} before its end` : 'not before',
    held: earlyMs <= 0,
  };
}

export function fences(turns: readonly Turn[]): Verdict {
  let wrong: string | undefined;
  for (const [earlier, later] of inOrder(turns)) {
    if (later.granted.fence > earlier.granted.fence) continue;
    wrong ??= `${later.granted.fence} after ${earlier.granted.fence}`;
  }
  return {
    promise: promises.fences,
    promised: 'each larger than all before',
    seen: wrong ?? 'each larger',
    held: wrong === undefined,
  };
}

/**
 * Who asked after another one had its place, and was served before it. The head of a queue may lose its turn by not claiming it in time:
 * the first of those who overtake it counts only if it came sooner than that.
 *
 * @param turns of one name, where each is released
 */
export function overtakes(turns: readonly Turn[], claimMs: number): number {
  const all = granted(turns);
  return turns.filter(({ waitingMs = Infinity, granted: own }) => {
    const at = all.findIndex(({ askedMs, granted: { atMs } }) => askedMs > waitingMs && atMs < (own?.atMs ?? Infinity));
    const freedMs = all[at - 1]?.releasingMs;
    return at > 0 && freedMs !== undefined && (all[at] as GrantedTurn).granted.atMs - freedMs < claimMs;
  }).length;
}

/** A refusal of somebody who still held the lease afterwards. */
export function needlessRefusals(turns: readonly Turn[]): Verdict {
  const writes = turns.flatMap((turn) => turn.writes.map((write) => ({ ...write, turn })));
  const wrong = writes.filter(({ accepted, atMs, turn }) => !accepted && turn.held.some((touch) => touch.atMs > atMs));
  return {
    promise: promises.sink,
    promised: 'takes every write of the holder',
    seen: wrong.length > 0 ? `${wrong.length} of ${writes.length} refused` : `${writes.length} writes, none refused`,
    held: wrong.length === 0,
  };
}

/** What came after the next holder's write, under an older fence. */
export function lateWrite(late: Turn | undefined, next: Turn | undefined): Verdict {
  const write = late?.writes.at(-1);
  const after = next?.writes.at(-1);
  const refused = write !== undefined && after !== undefined && !write.accepted;
  const fate = write === undefined ? 'there was no write' : write.accepted ? `let in under ${write.fence}` : 'refused';
  return { promise: promises.sink, promised: 'the late write is refused', seen: fate, held: refused };
}

/** Told at the first touch after the standstill, with an aborted signal. */
export function firstTouch(turn: Turn | undefined, sinceMs: number): Verdict {
  const after = turn?.held.filter(({ atMs }) => atMs > sinceMs) ?? [];
  const refusal = turn?.refused.find(({ atMs }) => atMs > sinceMs);
  const aborted = refusal?.aborted === true && turn?.lost !== undefined;
  const seen =
    after.length > 0
      ? `believed in it ${after.length} times more`
      : aborted
        ? 'lost at the first touch'
        : refusal === undefined
          ? 'did not touch it again'
          : 'refused, but the signal was not aborted';
  return { promise: promises.loss, promised: 'lost at the first touch after it', seen, held: after.length === 0 && aborted };
}
