import type { Finding, LockRecord } from '../../core/backend.js';
import { messageOf } from '../../core/calls.js';
import type { Report } from './node.js';
import { disagreements } from './protocol/disagreements.js';
import type { Group } from './protocol/group.js';
import type { Member } from './protocol/member.js';

/** One node may take so long to tell all about itself: a walk through its keys is part of it. */
const reportMsMax = 30_000;

/** Clocks further apart than that let fences lean on write-backs, and a grace end early. */
const apartMsMax = 1_000;

interface Seen {
  readonly member: Member;
  readonly report: Report;
}

/** Everything that could make a node unsafe, and what only shows when they are looked at side by side. */
export async function findings(group: Group): Promise<readonly Finding[]> {
  const seen: Seen[] = [];
  const away: Finding[] = [];
  await Promise.all(
    group.members.map(async (member) => {
      try {
        seen.push({ member, report: await member.call('probing', 0, () => member.node.probe(), reportMsMax) });
      } catch (error) {
        away.push(notReached(member, error, group));
      }
    }),
  );
  const inOrder = group.members.flatMap((member) => seen.find((one) => one.member === member) ?? []);
  return [
    ...away,
    ...sameServers(inOrder),
    ...copies(inOrder),
    ...clocks(inOrder),
    ...graces(inOrder),
    ...(await disagreements(group, lockLists)),
    ...merged(inOrder),
  ];
}

function lockLists(group: Group): Promise<readonly (readonly [Member, readonly LockRecord[]])[]> {
  return Promise.all(
    group.members.map(async (member) => {
      const list = await member.call('listing', 0, () => member.node.list(''), reportMsMax).catch(() => undefined);
      return list === undefined ? [] : [[member, list] as const];
    }),
  ).then((lists) => lists.flat());
}

function notReached({ name }: Member, error: unknown, { quorum, members }: Group): Finding {
  return {
    severity: 'critical',
    what: `${name} cannot be asked: ${messageOf(error)}`,
    why: `of ${members.length} nodes ${quorum} must answer: while this one does not, fewer others may fail`,
    fix: `see whether it is up, and reachable from here: redis-cli -h ${name.replace(/:(\d+)$/, ' -p $1')} PING`,
  };
}

/** Its vote counts once: with one server under two names there are fewer nodes than it seems. */
function sameServers(seen: readonly Seen[]): readonly Finding[] {
  return pairs(seen, ({ incarnation }) => incarnation).map(([a, b]) => ({
    severity: 'critical',
    what: `${a} and ${b} are the same server`,
    why: 'its vote counts once: of the nodes that are left, more must answer than it seems',
    fix: 'give each node a server of its own, on a machine of its own',
  }));
}

function copies(seen: readonly Seen[]): readonly Finding[] {
  const distinct = seen.filter(({ report }, i) => seen.findIndex((one) => one.report.incarnation === report.incarnation) === i);
  return pairs(distinct, ({ lineage }) => lineage).map(([a, b]) => ({
    severity: 'critical',
    what: `one of ${a} and ${b} is a replica of the other, or both are of a third`,
    why: 'nodes must not know of each other: a replica takes over the votes of its master, and forgets its own',
    fix: `on the replica: redis-cli REPLICAOF NO ONE; then let both sit out their grace`,
  }));
}

function clocks(seen: readonly Seen[]): readonly Finding[] {
  const known = seen.flatMap(({ member, report }) =>
    report.clock === undefined ? [] : [{ name: member.name, ...report.clock }],
  );
  const sorted = known.sort((a, b) => a.aheadMs - b.aheadMs);
  const [first, last] = [sorted[0], sorted.at(-1)];
  if (first === undefined || last === undefined) return [];
  const apartMs = last.aheadMs - first.aheadMs;
  if (apartMs - first.doubtMs - last.doubtMs <= apartMsMax) return [];
  return [
    {
      severity: 'warning',
      what: `the clock of ${last.name} is ${(apartMs / 1_000).toFixed(1)} s ahead of that of ${first.name}`,
      why: 'leases mind no clock but their own, but each grant then needs a second round to agree on its fence, and fences that were lost may come again where the clocks are further apart than the grace',
      fix: 'let NTP keep the time on every machine: timedatectl set-ntp true',
    },
  ];
}

function graces(seen: readonly Seen[]): readonly Finding[] {
  return seen
    .filter(({ report }) => report.votesInMs > 0)
    .map(({ member, report }) => ({
      severity: 'warning',
      what: `${member.name} sits out its grace for ${(report.votesInMs / 1_000).toFixed(1)} s more`,
      why: 'it was restarted, or is new, and may have forgotten votes: until then it gives none, and fewer others may fail',
      fix: 'wait; next time restart one node after the other, with this pause between them, or with appendfsync always',
    }));
}

/** Each pair of nodes that have the same value. */
function pairs(seen: readonly Seen[], read: (report: Report) => string | undefined): readonly (readonly [string, string])[] {
  return seen.flatMap(({ member, report }, i) => {
    const value = read(report);
    const other = value === undefined ? undefined : seen.slice(i + 1).find((one) => read(one.report) === value);
    return other === undefined ? [] : [[member.name, other.member.name] as const];
  });
}

/** What is equal on many is said once. */
function merged(seen: readonly Seen[]): readonly Finding[] {
  const found = new Map<string, { readonly finding: Finding; readonly names: string[] }>();
  for (const { member, report } of seen) {
    for (const finding of report.findings) {
      const id = JSON.stringify([finding.severity, finding.what, finding.why]);
      const same = found.get(id);
      if (same === undefined) found.set(id, { finding, names: [member.name] });
      else same.names.push(member.name);
    }
  }
  return [...found.values()].map(({ finding, names }) => ({ ...finding, what: `${names.join(', ')}: ${finding.what}` }));
}
