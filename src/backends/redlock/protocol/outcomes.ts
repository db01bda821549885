import type { Ask, LockRecord, Refusal } from '../../../core/backend.js';
import { isPermanent } from '../../../core/calls.js';
import { BackendUnavailableError, HoldfastError } from '../../../core/errors.js';
import type { No } from '../node.js';
import type { Group } from './group.js';
import { excuseOf, type Member } from './member.js';

/** Longest pause that is advised after a split vote. */
const splitMsMax = 100;

/** No majority for it: who holds the name, as far as the votes tell, and when asking again may help. */
export function refusalOf(noes: readonly No[], group: Group, tookMs: number): Refusal {
  const holders = new Map<string, LockRecord[]>();
  for (const no of noes) {
    if (no.outcome !== 'held') continue;
    const known = holders.get(no.holder.ownerDigest);
    if (known === undefined) holders.set(no.holder.ownerDigest, [no.holder]);
    else known.push(no.holder);
  }
  const endedCount = noes.filter(({ outcome }) => outcome === 'ended').length;
  const shown = [...holders.values()].map(longest);
  if (endedCount > 0 && endedCount >= noes.length - endedCount) {
    return { outcome: 'refused', because: 'abandoned', holders: shown, ahead: 0 };
  }
  const retryInMs = retryMs([...holders.values()], group, tookMs);
  return { outcome: 'refused', because: 'held', holders: shown, ahead: 0, ...(retryInMs === undefined ? {} : { retryInMs }) };
}

/** Undefined: held by somebody whose lock has no end. */
function retryMs(holders: readonly (readonly LockRecord[])[], group: Group, tookMs: number): number | undefined {
  const most = holders.reduce<readonly LockRecord[]>((a, b) => (b.length > a.length ? b : a), []);
  if (most.length < group.veto) {
    // Several compete, and none has a majority: whoever comes back first, and alone, gets it.
    const rivals = holders.length + 1;
    return Math.min(splitMsMax, Math.max(1, tookMs) * (0.5 + 2 * rivals * group.context.ports.random()));
  }
  // Free on a majority when so many of its votes have run out.
  const lefts = most.map(({ expiresInMs }) => expiresInMs ?? Number.POSITIVE_INFINITY).sort((a, b) => a - b);
  const leftMs = lefts[most.length - group.veto] ?? Number.POSITIVE_INFINITY;
  return Number.isFinite(leftMs) ? leftMs : undefined;
}

/** The one that lasts longest. */
function longest(records: readonly LockRecord[]): LockRecord {
  return records.reduce((a, b) => ((b.expiresInMs ?? Infinity) > (a.expiresInMs ?? Infinity) ? b : a));
}

/** Too few nodes voted. Says what each of them said. */
export function unavailable(
  { name }: Pick<Ask, 'name'>,
  group: Group,
  votes: ReadonlyMap<Member, string | { readonly error: unknown }>,
): HoldfastError {
  const errors = [...votes.values()].flatMap((said) => (typeof said === 'string' ? [] : [said.error]));
  const wrong = errors.find((error) => error instanceof HoldfastError && error.code === 'INVALID_ARGUMENT');
  if (wrong !== undefined) return wrong as HoldfastError;
  const said = group.members.map((member) => {
    const vote = votes.get(member);
    return typeof vote === 'string'
      ? `${member.name} ${vote}`
      : excuseOf(member, vote === undefined ? 'has not answered yet' : vote.error);
  });
  const message = `no ${group.quorum} of ${group.members.length} nodes granted "${name.text}": ${said.join('; ')}: see that a majority is up and reachable`;
  const permanent = errors.filter(isPermanent).length >= group.veto;
  return new BackendUnavailableError(message, { lock: name.text, cause: errors.find((error) => error !== undefined), permanent });
}
