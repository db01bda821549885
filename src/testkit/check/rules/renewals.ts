import type { Rule } from '../rule.js';

export const renewals: Rule = {
  name: 'renewals',
  promise: 'A renewal revives nothing: not what was given back, not what has run out.',
  *find(model) {
    const minted = new Set<string>();
    const ended = new Map<string, number>();
    const untilMs = new Map<string, number>();
    for (const event of model.history.events) {
      if (event.type === 'minted') {
        minted.add(event.owner);
        ended.delete(event.owner);
        untilMs.set(event.owner, event.untilMs);
      } else if (event.type === 'ended') {
        ended.set(event.owner, event.index);
      } else if (event.type === 'extended') {
        const overMs = untilMs.get(event.owner);
        const over = ended.has(event.owner) || overMs === undefined || overMs < event.atMs;
        if (over && model.history.promises.durable) {
          yield { index: event.index, what: `${event.owner} was extended after it had ended` };
        }
        untilMs.set(event.owner, event.untilMs);
      }
    }
  },
};
