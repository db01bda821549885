import { type Model, overAtMs, type Tenure, takenAway } from '../model.js';
import type { Rule } from '../rule.js';

/** A hold must outlive any trouble that was over when this share of its TTL was left. */
const calmShare = 0.6;

/** A node of several that gave no answer is not asked for as long as that. */
const restMs = 10_000;

function excused(model: Model, tenure: Tenure, atMs: number): boolean {
  const sinceMs = model.history.promises.quorum === undefined ? tenure.ttlMs * calmShare : restMs;
  return model.disturbed(tenure.process, atMs - sinceMs, atMs).length > 0;
}

export const needlessLoss: Rule = {
  name: 'needless-loss',
  promise: 'A lease does not expire while its process runs and the store can be reached.',
  *find(model) {
    for (const { op, signalled, tenure } of model.turns) {
      if (signalled?.loss !== 'expired' || tenure === undefined || excused(model, tenure, signalled.atMs)) continue;
      if (!model.history.promises.durable || isBare(model, tenure, signalled.index) || takenAway(tenure)) continue;
      yield { index: signalled.index, what: `${op} lost its lease although nothing was wrong for most of its TTL` };
    }
  },
};

export const leftToExpire: Rule = {
  name: 'left-to-expire',
  promise: 'What a living process has in the store is renewed or given back; it is not forgotten there until its TTL is over.',
  *find(model) {
    if (!model.history.promises.durable) return;
    const lastMs = model.history.events.at(-1)?.atMs ?? 0;
    // Whoever was told of a loss is judged by other rules.
    const told = new Set(model.turns.flatMap((turn) => (turn.signalled === undefined ? [] : [turn.tenure?.owner])));
    const lastSentMs = new Map(model.of('sent').map((event) => [event.owner, event.atMs]));
    for (const tenure of model.tenures) {
      const atMs = overAtMs(tenure);
      if (tenure.ended !== undefined || atMs > lastMs || (model.diedAtMs.get(tenure.process) ?? atMs) < atMs) continue;
      // Still being asked for or given back when it ran out: late for a reason, not forgotten.
      if (told.has(tenure.owner) || (lastSentMs.get(tenure.owner) ?? 0) > atMs) continue;
      // Given back in vain while it lasted, then prolonged by a renewal that had been on its way all the time.
      if (tenure.until.at(-1)?.copy === true) continue;
      if (excused(model, tenure, atMs) || strayCopy(model, tenure)) continue;
      yield { index: tenure.minted.index, what: `${tenure.owner} left ${tenure.name} in the store until it expired` };
    }
  },
};

/** Not all of the nodes ever had it: then a minority that fails may take a majority away. */
function isBare({ history, of }: Model, { owner }: Tenure, index: number): boolean {
  const { quorum } = history.promises;
  if (quorum === undefined) return false;
  const asked = of('node').filter((it) => it.index < index && it.owner.split(' ').includes(owner));
  // Of the round that was granted: votes of earlier ones were taken back.
  const granting = asked.findLast(({ call, said }) => call.startsWith('vote') && said.startsWith('yes'))?.call;
  const mine = asked.filter(({ call }) => !call.startsWith('vote') || call === granting);
  return new Set(mine.filter(({ said }) => /^yes|renewed/.test(said)).map(({ node }) => node)).size < 2 * quorum - 1;
}

/**
 * A copy of an ask that had long been answered, and not been abandoned: nobody can know that it is still on its way, and
 * the store has no duty to remember everyone who ever asked. It ends with its TTL.
 */
function strayCopy(model: Model, { owner, minted }: Tenure): boolean {
  return (
    minted.copy && !model.of('answered').some((it) => it.call === 'abandon' && it.owner === owner && it.index < minted.index)
  );
}
