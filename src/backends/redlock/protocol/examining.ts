import type { Examination, ForeignLock, NamePause, Rival } from '../../../core/examination.js';
import { rivalOf } from '../../../core/examining.js';
import type { Sight } from '../node.js';
import { merged } from './merging.js';

/** What only shows when the nodes are looked at side by side. @param count of all nodes, whether they answered or not */
export function examinationOf(answers: readonly Sight[], quorum: number, count: number): Examination {
  // They come in any order, and two looks are compared.
  const sights = [...answers].sort((a, b) => (a.node < b.node ? -1 : 1));
  const others = merged(
    sights.map((sight) => sight.others),
    count - sights.length,
    quorum,
  );
  return {
    foreign: foreignOf(sights),
    pauses: pausesOf(sights, quorum),
    rivals: [...splitOf(sights, quorum), ...others.map((record) => rivalOf(record, 'case'))],
  };
}

/** One lock may lie on several nodes. */
function foreignOf(sights: readonly Sight[]): readonly ForeignLock[] {
  const found = new Map<string, { readonly nodes: string[]; readonly locks: ForeignLock[] }>();
  for (const { node, foreign } of sights) {
    if (foreign === undefined) continue;
    const { same, ...lock } = foreign;
    const known = found.get(same) ?? { nodes: [], locks: [] };
    found.set(same, known);
    known.nodes.push(node);
    known.locks.push(lock);
  }
  return [...found.values()].flatMap(({ nodes, locks }) => {
    const [first] = locks;
    if (first === undefined) return [];
    const left = locks.map(({ expiresInMs }) => expiresInMs);
    return [
      {
        ...first,
        shape: `${first.shape}, on ${nodes.join(', ')}`,
        expiresInMs: left.includes(undefined) ? undefined : Math.max(...left.map((ms) => ms ?? 0)),
        remove: locks.map(({ remove }) => remove).join('; '),
      },
    ];
  });
}

/** A grace stands in the way where those that vote are no majority. */
function pausesOf(sights: readonly Sight[], quorum: number): readonly NamePause[] {
  const waits = sights.filter(({ votesInMs }) => votesInMs > 0).sort((a, b) => a.votesInMs - b.votesInMs);
  const missing = quorum - (sights.length - waits.length);
  const last = waits[missing - 1];
  if (missing <= 0 || last === undefined) return [];
  return [{ because: 'restart-grace', leftMs: last.votesInMs, of: waits.map(({ node }) => node).join(', ') }];
}

/** Nodes that name somebody else than the majority does; all that name somebody, where there is none and they differ. */
function splitOf(sights: readonly Sight[], quorum: number): readonly Rival[] {
  const held = sights.flatMap(({ node, holder }) => (holder === undefined ? [] : [{ node, holder }]));
  const votes = (digest: string) => held.filter(({ holder }) => holder.ownerDigest === digest).length;
  const owner = held.find(({ holder }) => votes(holder.ownerDigest) >= quorum)?.holder.ownerDigest;
  const differ = new Set(held.map(({ holder }) => holder.ownerDigest)).size > 1;
  if (!differ) return [];
  return held.filter(({ holder }) => holder.ownerDigest !== owner).map(({ node, holder }) => rivalOf(holder, 'node', node));
}
