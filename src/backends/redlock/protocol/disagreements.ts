import type { Finding, LockRecord } from '../../../core/backend.js';
import type { Group } from './group.js';
import type { Member } from './member.js';

type Lists = readonly (readonly [Member, readonly LockRecord[]])[];

/** Names that a finding shows. */
const shown = 3;

/**
 * Nodes that say something else of a held name than the majority does. Looked at twice: a lease that comes or goes meanwhile
 * is no disagreement.
 */
export async function disagreements(group: Group, lists: (group: Group) => Promise<Lists>): Promise<readonly Finding[]> {
  const first = differing(await lists(group), group.quorum);
  if (first.size === 0) return [];
  const second = differing(await lists(group), group.quorum);
  const byNode = new Map<string, string[]>();
  for (const [id, { member, record }] of second) {
    if (!first.has(id)) continue;
    const names = byNode.get(member.name);
    if (names === undefined) byNode.set(member.name, [record.name]);
    else names.push(record.name);
  }
  return [...byNode].map(([node, names]) => ({
    severity: 'warning',
    what: `${node} does not know the holder of ${listed(names)}`,
    why: 'a majority of the others does, so the lease is safe; one of those fewer may fail. The next renewal writes it there again, unless the node sits out its grace or somebody else holds the name there',
    fix: `wait for a third of the TTL; if it stays, see who has it there: redis-cli -h ${node.replace(/:(\d+)$/, ' -p $1')} --scan --pattern '*'`,
  }));
}

function listed(names: readonly string[]): string {
  const quoted = names.slice(0, shown).map((name) => `"${name}"`);
  return quoted.join(', ') + (names.length > shown ? ` and ${names.length - shown} others` : '');
}

/** By node, name and holder. */
function differing(lists: Lists, quorum: number): ReadonlyMap<string, { readonly member: Member; readonly record: LockRecord }> {
  const holders = new Map<string, { readonly record: LockRecord; readonly members: Set<Member> }>();
  for (const [member, list] of lists) {
    for (const record of list) {
      const id = JSON.stringify([record.name, record.ownerDigest]);
      const known = holders.get(id);
      if (known === undefined) holders.set(id, { record, members: new Set([member]) });
      else known.members.add(member);
    }
  }
  const found = new Map<string, { readonly member: Member; readonly record: LockRecord }>();
  for (const [id, { record, members }] of holders) {
    if (members.size < quorum) continue;
    for (const [member] of lists) if (!members.has(member)) found.set(`${member.name} ${id}`, { member, record });
  }
  return found;
}
