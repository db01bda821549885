import type { Held } from '../../../core/backend.js';
import type { NodeRenewal, Standing } from '../node.js';
import type { Group } from './group.js';
import type { Member } from './member.js';
import type { Said } from './poll.js';

/** By node, the owners whose holds there may be deleted any moment. */
export type Doubts = ReadonlyMap<Member, ReadonlySet<string>>;

/** What one node says of all holds. */
export type Renewed = Standing & { readonly renewals: readonly NodeRenewal[] };

/**
 * After a renewal: what a majority has renewed, and a node that votes has lost, is written there again, so that the hold
 * survives the loss of the next one. In the background and once: the next renewal sees to what is still missing.
 */
export function repairAll(group: Group, holds: readonly Held[], said: readonly Said<Renewed>[], doubts: Doubts): void {
  for (const [index, held] of holds.entries()) {
    const has: Member[] = [];
    const lost: Member[] = [];
    for (const answer of said) {
      if (!answer.ok || answer.value.state !== 'votes' || doubts.get(answer.member)?.has(held.owner)) continue;
      const outcome = answer.value.renewals[index]?.outcome;
      if (outcome === 'renewed') has.push(answer.member);
      else if (outcome === 'gone') lost.push(answer.member);
    }
    const [source] = has;
    if (source !== undefined && has.length >= group.quorum && lost.length > 0)
      void repair(group, held, source, lost).catch(() => {});
  }
}

async function repair(group: Group, held: Held, source: Member, lost: readonly Member[]): Promise<void> {
  const copy = await source.call('reading a hold', held.ttlMs, () => source.node.copy(held));
  if (copy === undefined) return;
  const nowMs = group.context.ports.now().monotonicMs;
  for (const member of lost) {
    const nowUs = member.clock.aheadUs(nowMs);
    if (nowUs === undefined) continue;
    const untilUs = nowUs + copy.leftMs * 1_000;
    const send = (incarnation: string) => member.node.repair(held, copy, untilUs, incarnation);
    member.voting('repairing a hold', held.ttlMs, send, ignored, ignored);
  }
}

/** The next renewal sees what came of it. */
function ignored(): void {}
