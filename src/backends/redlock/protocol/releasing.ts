import type { Ask, Held, Release } from '../../../core/backend.js';
import { OutcomeUnknownError } from '../../../core/errors.js';
import type { Group } from './group.js';
import { excuseOf } from './member.js';
import { poll, type Said } from './poll.js';

/**
 * Compare-and-delete on all nodes. What a majority found is the outcome; those that have not answered are told until they
 * confirm, or the TTL is over.
 *
 * @throws OutcomeUnknownError if no majority answered
 */
export function release(group: Group, held: Held): Promise<Release> {
  return tellAll(
    group,
    held,
    'releasing',
    (member) => member.node.release(held),
    (said, pending) => {
      const counts = { released: 0, absent: 0, 'not-owner': 0 };
      for (const answer of said) if (answer.ok) counts[answer.value] += 1;
      const answered = counts.released + counts.absent + counts['not-owner'];
      for (const outcome of ['released', 'absent', 'not-owner'] as const) if (counts[outcome] >= group.quorum) return outcome;
      if (pending > 0) return undefined;
      if (answered < group.quorum) throw unknown('release', held, group, said);
      // The silent ones may have been of the majority that held it.
      if (counts.released > 0 && counts.released + group.members.length - answered >= group.quorum) return 'released';
      return counts['not-owner'] > counts.absent ? 'not-owner' : 'absent';
    },
  );
}

/**
 * Forgets what an owner has on any node, and refuses its late ballots. Done when a majority has it: no other can grant to it.
 *
 * @throws OutcomeUnknownError if no majority answered
 */
export async function abandon(group: Group, ask: Ask): Promise<void> {
  await tellAll(
    group,
    ask,
    'taking an ask back',
    (member) => member.node.abandon(ask.name, ask.owner),
    (said, pending) => {
      if (said.filter(({ ok }) => ok).length >= group.quorum) return true;
      if (pending > 0) return undefined;
      throw unknown('withdrawal of an ask', ask, group, said);
    },
  );
}

type What = Pick<Held, 'name' | 'owner' | 'ttlMs'>;

/** Who is not asked, or does not answer, is told later. */
function tellAll<T, D>(
  group: Group,
  { name, owner, ttlMs }: What,
  doing: string,
  tell: (member: Group['members'][number]) => Promise<T>,
  decide: (said: readonly Said<T>[], pending: number) => D | undefined,
): Promise<D> {
  const awake = group.awake;
  const later = (member: Group['members'][number]) => group.debtsOf(member).owe(name, owner, undefined, ttlMs);
  for (const member of group.members) if (!awake.includes(member)) later(member);
  return poll(
    awake,
    (member, answered, failed) => member.request(doing, ttlMs, () => tell(member), answered, failed),
    decide,
    (answer) => {
      if (!answer.ok) later(answer.member);
    },
  );
}

function unknown<T>(what: string, { name }: What, group: Group, said: readonly Said<T>[]): OutcomeUnknownError {
  const excuses = group.members.map((member) => {
    const answer = said.find((one) => one.member === member);
    return answer?.ok === true ? `${member.name} answered` : excuseOf(member, answer?.error ?? member.lastError);
  });
  return new OutcomeUnknownError(
    `no majority answered the ${what} for "${name.text}": ${excuses.join('; ')}: see that a majority of the nodes is up and reachable`,
    { lock: name.text },
  );
}
