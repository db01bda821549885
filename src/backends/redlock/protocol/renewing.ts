import type { Held, Renewal, RevokedBy } from '../../../core/backend.js';
import { BackendUnavailableError } from '../../../core/errors.js';
import type { Group } from './group.js';
import { excuseOf, type Member } from './member.js';
import { poll, type Said } from './poll.js';
import { type Doubts, type Renewed, repairAll } from './repairing.js';

/**
 * One call to each node for all holds. A hold is renewed when a majority of nodes that vote has extended it, and over
 * when a majority of all no longer has it; else nobody knows. Nodes that lost what the majority renewed are repaired.
 */
export async function renewAll(group: Group, holds: readonly Held[]): Promise<readonly Renewal[]> {
  if (holds.length === 0) return [];
  const ttlMs = Math.min(...holds.map((held) => held.ttlMs));
  const asked = group.awake;
  const all: Said<Renewed>[] = [];
  const doubts = doubtsOf(group, holds);
  return poll<Renewed, readonly Renewal[]>(
    asked,
    (member, answered, failed) =>
      member.voting('renewing', ttlMs, (incarnation) => member.node.renew(holds, incarnation), answered, failed),
    (said, pending) => {
      const renewals: Renewal[] = [];
      for (const [index, held] of holds.entries()) {
        const renewal = outcomeOf(said, index, held, group, doubts);
        if (renewal === undefined && pending > 0) return undefined;
        renewals.push(renewal ?? unknown(said, group));
      }
      return renewals;
    },
    (answer) => {
      all.push(answer);
      if (all.length === asked.length) repairAll(group, holds, all, doubts);
    },
  );
}

/**
 * Nodes that were told to forget an earlier vote for an owner, and had not confirmed it when the renewal was sent: they may
 * extend that vote, and delete it right after.
 */
function doubtsOf(group: Group, holds: readonly Held[]): Doubts {
  const owners = holds.map(({ owner }) => owner);
  return new Map(group.members.map((member) => [member, group.debtsOf(member).owing(owners)]));
}

/** Undefined while it is open. */
function outcomeOf(said: readonly Said<Renewed>[], index: number, held: Held, group: Group, doubts: Doubts): Renewal | undefined {
  let yes = 0;
  let gone = 0;
  let notYours = 0;
  let by: RevokedBy | undefined;
  for (const answer of said) {
    const renewal = answer.ok ? answer.value.renewals[index] : undefined;
    if (renewal === undefined || !answer.ok) continue;
    // One that sits out its grace may have extended what it should have forgotten: it counts neither way.
    const lasts = answer.value.state === 'votes' && doubts.get(answer.member)?.has(held.owner) !== true;
    if (renewal.outcome === 'renewed') yes += lasts ? 1 : 0;
    else {
      if (renewal.outcome === 'gone') gone += 1;
      else notYours += 1;
      by ??= renewal.by;
    }
  }
  if (yes >= group.quorum) return { outcome: 'renewed', ttlMs: held.ttlMs };
  if (gone + notYours < group.veto) return undefined;
  return { outcome: notYours > gone ? 'not-yours' : 'gone', ...(by === undefined ? {} : { by }) };
}

function unknown(said: readonly Said<Renewed>[], group: Group): Renewal {
  const excuses = group.members.map((member) => {
    const answer = said.find((one) => one.member === member);
    if (answer?.ok === true && answer.value.state === 'votes') return `${member.name} answered`;
    return excuseOf(member as Member, answer?.ok === false ? answer.error : member.lastError);
  });
  const cause = new BackendUnavailableError(
    `no ${group.quorum} of ${group.members.length} nodes renewed it: ${excuses.join('; ')}: see that a majority is up and reachable`,
  );
  return { outcome: 'unknown', cause };
}
