import { group } from '../model.js';
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
    for (const tenures of group(model.tenures, (it) => it.name).values()) {
      let newest = 0n;
      for (const { first, last, owner, minted } of tenures) {
        if (first <= newest) yield { index: minted.index, what: `${owner} got ${first} after ${newest} had been given out` };
        if (last > newest) newest = last;
      }
    }
  },
};

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
