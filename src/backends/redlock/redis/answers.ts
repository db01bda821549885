import type { LockRecord, Release, RevokedBy } from '../../../core/backend.js';
import type { Reply } from '../../redis/driver.js';
import { list, misdelivered, number, text } from '../../redis/replies.js';
import { holderRecord, type Place } from '../../redis/values.js';
import type { HoldCopy, NodeRenewal, Standing, Vote, Confirmed } from '../node.js';

// What the scripts answer, in the words of the port. Their replies are described at the top of each.

/** What every script for votes answers first. */
export function standingOf(reply: Reply): Standing {
  const [state, votesIn, now] = list(reply);
  const said = text(state);
  if (said !== 'votes' && said !== 'waits' && said !== 'stranger') throw misdelivered();
  return { state: said, votesInMs: number(votesIn), nowUs: number(now) };
}

export function voteOf(reply: Reply, owner: string, place: Omit<Place, 'nowMs'>): Standing & { readonly vote?: Vote } {
  const standing = standingOf(reply);
  if (standing.state !== 'votes') return standing;
  const [, , , outcome, ...rest] = list(reply);
  const at = { ...place, nowMs: standing.nowUs / 1_000 };
  if (outcome === 'ended') return { ...standing, vote: { outcome } };
  if (outcome === 'held') return { ...standing, vote: { outcome, holder: holderRecord(rest[0] ?? null, at) } };
  const [first, last, to, ended] = rest;
  // Another's yes must not be taken for one's own.
  if (outcome !== 'yes' || to !== owner) throw misdelivered();
  const robbed = list(ended).map((holder) => holderRecord(holder, at));
  return { ...standing, vote: { outcome, first: BigInt(text(first)), last: BigInt(text(last)), ended: robbed } };
}

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

export function endedOf(reply: Reply, place: Omit<Place, 'nowMs'>): readonly LockRecord[] {
  const [now, ended] = list(reply);
  if (!Array.isArray(ended)) throw misdelivered();
  return list(ended).map((holder) => holderRecord(holder, { ...place, nowMs: number(now) }));
}
