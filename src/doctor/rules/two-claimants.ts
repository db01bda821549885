import type { Rival } from '../../core/examination.js';
import type { NodeIdentity } from '../../core/node.js';
import { roughDuration } from '../../core/rough-duration.js';
import { type Facts, holdKey, present } from '../facts.js';
import type { Rule, Verdict } from '../verdict.js';

/** Somebody else has what seems to be the same. Seen twice: two may share a quorum for a moment. */
export const twoClaimants: Rule = (facts, commands) => {
  const rivals = present(facts).examination.rivals.filter((rival) => wasThere(rival, facts));
  const [first] = rivals;
  const held = present(facts).held;
  // Nobody here, and somebody under another name: that is no second claimant.
  if (first === undefined || (first.differs !== 'node' && held.length === 0)) return [];
  const verdict: Verdict = {
    id: 'two-claimants',
    severity: first.differs === 'node' ? 'critical' : 'warning',
    summary: summaries[first.differs],
    evidence: [
      ...held
        .slice(0, 1)
        .map(({ node, fence, key }) => `${key}: process ${node.pid} on ${node.host}, fence ${fence ?? 'unknown'}`),
      ...rivals.map(lineOf),
    ],
    next:
      first.differs === 'node'
        ? [{ why: 'see what the nodes lack', command: commands.store() }]
        : [
            {
              why: 'if both mean one thing, have them use one name; see the other',
              command: first.differs === 'case' ? commands.inspect(first.name) : commands.doctor(facts.name),
            },
          ],
  };
  return [verdict];
};

const summaries = {
  node: 'nodes of the quorum name different holders',
  prefix: 'the same name is held under another prefix, too: two may be at work on one thing',
  case: 'a name that differs only in upper and lower case is held, too: two may be at work on one thing',
} as const satisfies Record<Rival['differs'], string>;

function lineOf({ where, name, node, fence, expiresInMs }: Rival): string {
  const ends = expiresInMs === undefined ? '' : `, for ${roughDuration(expiresInMs)}`;
  return `${where}: ${whoOf(node)} holds "${name}", fence ${fence ?? 'unknown'}${ends}`;
}

/** Of other libraries' locks no process is known. */
function whoOf({ pid, host }: NodeIdentity): string {
  return pid === 0 ? 'another library' : `process ${pid} on ${host}`;
}

function wasThere(rival: Rival, { looks }: Facts): boolean {
  const same = (each: Rival) => each.where === rival.where && each.ownerDigest === rival.ownerDigest;
  const [before, now] = looks.slice(-2);
  if (now === undefined || before?.examination.rivals.some(same) !== true) return false;
  // On a node of the quorum, the holder must be the same, too: a node that lags behind a hand-over shows the one before.
  const keys = new Set(before.held.map(holdKey));
  return rival.differs !== 'node' || now.held.every((record) => keys.has(holdKey(record)));
}
