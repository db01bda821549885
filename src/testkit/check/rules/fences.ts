import { group, type Model } from '../model.js';
import type { Rule } from '../rule.js';

export const fenceUnique: Rule = {
  name: 'fence-unique',
  promise: 'No two leases on one name ever have the same fence.',
  *find(model) {
    const seen = new Map<string, string>();
    for (const { op, started, requested } of model.turns) {
      if (started?.fence === undefined) continue;
      const key = `${started.fence} ${requested.name}`;
      const other = seen.get(key);
      if (other !== undefined) yield { index: started.index, what: `${op} and ${other} both have fence ${started.fence}` };
      seen.set(key, op);
    }
  },
};

export const fenceOrder: Rule = {
  name: 'fence-order',
  promise: 'What the store grants later has larger fences, whatever the store lost in between.',
  *find(model) {
    const askedAt = overlapping(model);
    for (const tenures of group(model.tenures, (it) => it.name).values()) {
      for (const [i, { first, owner, minted }] of tenures.entries()) {
        if (minted.stillborn === true) continue;
        const sinceIndex = askedAt(owner) ?? minted.index;
        const before = tenures.slice(0, i).filter((it) => it.minted.stillborn !== true && it.minted.index < sinceIndex);
        const newer = before.find(({ last }) => first <= last);
        if (newer !== undefined)
          yield { index: minted.index, what: `${owner} got ${first} after ${newer.last} had been given out` };
      }
    }
  },
};

/**
 * Where nodes let go too early, two may be granted at once, by different majorities and in no order: then only what had been
 * given out when the owner first asked is earlier. Undefined where grants have an order.
 */
function overlapping({ history: { promises }, of }: Model): (owner: string) => number | undefined {
  if (promises.quorum === undefined || promises.durable) return () => undefined;
  const asked = new Map<string, number>();
  for (const { owner, index } of of('sent')) if (!asked.has(owner)) asked.set(owner, index);
  return (owner) => asked.get(owner);
}

export const fenceOwnership: Rule = {
  name: 'fence-ownership',
  promise: 'A lease shows a fence that the store minted for its process, and an owner gets one range.',
  *find(model) {
    for (const { op, started, tenure } of model.turns) {
      if (started?.fence === undefined || tenure !== undefined) continue;
      yield { index: started.index, what: `${op} shows fence ${started.fence}, which nobody minted for ${started.process}` };
    }
    for (const tenures of group(model.tenures, (it) => it.owner).values()) {
      for (const [i, tenure] of tenures.entries()) {
        const before = tenures[i - 1];
        if (before === undefined || !model.history.promises.durable) continue;
        const overMs = before.ended?.atMs ?? before.until.at(-1)?.untilMs ?? before.minted.untilMs;
        if (tenure.minted.atMs < overMs && before.ended === undefined) {
          yield { index: tenure.minted.index, what: `${tenure.owner} holds ${tenure.name} twice` };
        }
      }
    }
  },
};
