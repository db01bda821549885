import type { Rule } from '../rule.js';

export const callbacks: Rule = {
  name: 'callbacks',
  promise: 'A request ends as its callback ended, unless the lease was lost before; and the loss is what it then says.',
  *find(model) {
    for (const { op, requested, signalled, worked, settled } of model.turns) {
      if (worked === undefined || settled === undefined) continue;
      const { how, index } = settled;
      const lostFirst = signalled !== undefined && signalled.index < worked.index;
      if (lostFirst && requested.how === 'request') {
        if (how.outcome !== 'error' || how.code !== 'LEASE_LOST')
          yield { index, what: `${op} lost its lease, but ended with ${show(how)}` };
      } else if (worked.threw !== undefined) {
        const lost = how.outcome === 'error' && how.code === 'LEASE_LOST';
        const hidden = how.outcome !== 'error' || how.error !== worked.threw;
        if (hidden && !lost) yield { index, what: `${op} threw "${worked.threw}", but ended with ${show(how)}` };
      } else if (how.outcome === 'none') {
        yield { index, what: `${op} did its work, but ended with nothing` };
      } else if (how.outcome === 'error' && how.code !== 'LEASE_LOST') {
        yield { index, what: `${op} did its work, but ended with ${show(how)}` };
      }
    }
  },
};

function show(how: object): string {
  return JSON.stringify(how);
}
