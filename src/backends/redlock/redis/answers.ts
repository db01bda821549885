import type { LockRecord, Release, RevokedBy } from '../../../core/backend.js';
import type { Reply } from '../../redis/driver.js';
import { list, misdelivered, number, text } from '../../redis/replies.js';
import { holderRecord, ownerIn, type Place } from '../../redis/values.js';
import type { Confirmed, HoldCopy, NodeHolder, NodeRenewal, Standing, Vote } from '../node.js';

// What the scripts answer, in the words of the port. Their replies are described at the top of each.

/** What every script for votes answers first. */
export function standingOf(reply: Reply): Standing {
  const words = list(reply);
  const state = text(words[0]);
  if (state !== 'votes' && state !== 'waits' && state !== 'stranger') throw misdelivered();
  return { state, votesInMs: number(words[1]), nowUs: number(words[2]) };
}

/** A ballot as it is sent, and the fences of a node that follows its proposal. */
export interface Proposed {
  readonly owner: string;
  readonly proposal: string;
  readonly first: bigint;
  readonly last: bigint;
}

/** Once for each node and lock: without the ease of spread and rest, which cost more than the rest of it. */
export function voteOf(reply: Reply, proposed: Proposed, place: Omit<Place, 'nowMs'>): Standing & { readonly vote?: Vote } {
  const { owner, proposal, first, last } = proposed;
  if (typeof reply === 'string') {
    // Another's yes must not be taken for one's own, nor that of another round.
    const [to, follows, seconds, us] = reply.split(' ');
    if (to !== owner || follows !== proposal || us === undefined) throw misdelivered();
    const nowUs = Number(seconds) * 1_000_000 + Number(us);
    return { state: 'votes', votesInMs: 0, nowUs, vote: { outcome: 'yes', first, last, ended: nobody } };
  }
  const standing = standingOf(reply);
  if (standing.state !== 'votes') return standing;
  const words = list(reply);
  const { votesInMs, nowUs } = standing;
  return { state: 'votes', votesInMs, nowUs, vote: saidOf(words, owner, place, nowUs / 1_000) };
}

function saidOf(words: readonly Reply[], owner: string, place: Omit<Place, 'nowMs'>, nowMs: number): Vote {
  const outcome = words[3];
  if (outcome === 'ended') return { outcome };
  if (outcome === 'held') return { outcome, holder: holderRecord(words[4] ?? null, { ...place, nowMs }) };
  if (outcome !== 'yes' || words[6] !== owner) throw misdelivered();
  const first = BigInt(text(words[4]));
  const last = words[5] === words[4] ? first : BigInt(text(words[5]));
  const robbed = list(words[7]);
  const ended = robbed.length === 0 ? nobody : robbed.map((holder) => holderRecord(holder, { ...place, nowMs }));
  return { outcome, first, last, ended };
}

const nobody: readonly LockRecord[] = [];

export function confirmedOf(reply: Reply, owner: string): Confirmed {
  const standing = standingOf(reply);
  if (standing.state !== 'votes') return standing;
  const [, , , outcome, to] = list(reply);
  const known = outcome === 'confirmed' || outcome === 'absent' || outcome === 'superseded';
  if (!known || to !== owner) throw misdelivered();
  return { ...standing, outcome };
}

/** The script names only those that were not extended. */
export function renewalsOf(reply: Reply, owners: readonly string[]): Standing & { readonly renewals: readonly NodeRenewal[] } {
  const standing = standingOf(reply);
  const [, , , first, ...failed] = list(reply);
  if (first !== owners[0]) throw misdelivered();
  const renewals: NodeRenewal[] = owners.map(() => ({ outcome: 'renewed' }));
  for (let i = 0; i + 2 < failed.length; i += 3) {
    const by = revokedBy(text(failed[i + 2]));
    const outcome = text(failed[i + 1]) === 'g' ? 'gone' : 'not-yours';
    renewals[number(failed[i]) - 1] = { outcome, ...(by === undefined ? {} : { by }) };
  }
  return { ...standing, renewals };
}

/** Damage here must not reach the other holds of the batch. */
function revokedBy(why: string): RevokedBy | undefined {
  try {
    return why === '' ? undefined : (JSON.parse(why) as RevokedBy);
  } catch {
    return undefined;
  }
}

export function copyOf(reply: Reply, owner: string): HoldCopy | undefined {
  const [to, first, last, round, value, left] = list(reply);
  if (to !== owner) throw misdelivered();
  if (first === undefined) return undefined;
  return {
    first: BigInt(text(first)),
    last: BigInt(text(last)),
    round: number(round),
    text: text(value),
    leftMs: Math.max(0, number(left)),
  };
}

export function releaseOf(reply: Reply): Release {
  const code = reply === null ? -1 : number(reply);
  if (code === 1) return 'released';
  if (code === 2) return 'not-owner';
  if (code !== 0) throw misdelivered();
  return 'absent';
}

/** Of the reply to a revocation. */
export function roundIn(reply: Reply): number | undefined {
  const [, ended, round] = list(reply);
  if (!Array.isArray(ended) || round === undefined) throw misdelivered();
  return number(round) < 0 ? undefined : number(round);
}

/** Of the same, where nothing was to be ended. */
export function holderIn(reply: Reply, place: Omit<Place, 'nowMs'>): NodeHolder | undefined {
  const [now, found] = list(reply);
  if (!Array.isArray(found)) throw misdelivered();
  const [holder = null] = list(found);
  const owner = holder === null ? undefined : ownerIn(holder);
  return owner === undefined ? undefined : { owner, record: holderRecord(holder, { ...place, nowMs: number(now) }) };
}

export function endedOf(reply: Reply, place: Omit<Place, 'nowMs'>): readonly LockRecord[] {
  const [now, ended] = list(reply);
  if (!Array.isArray(ended)) throw misdelivered();
  return list(ended).map((holder) => holderRecord(holder, { ...place, nowMs: number(now) }));
}
