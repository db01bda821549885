import { limits } from '../../../core/limits.js';
import { group } from '../model.js';
import type { Rule } from '../rule.js';

export const slice: Rule = {
  name: 'slice',
  promise: 'A grant goes on with callers that came while it ran for a slice of time, so that other processes get their turn.',
  *find(model) {
    const { calm, queue } = model.history.promises;
    if (!calm) return;
    const served = model.turns.filter((turn) => turn.started !== undefined && turn.tenure !== undefined);
    for (const turns of group(served, (turn) => turn.tenure?.owner ?? '').values()) {
      const first = turns.map(({ started }) => started).reduce((a, b) => (a && b && b.index < a.index ? b : a));
      if (first === undefined) continue;
      for (const { op, requested, started } of turns) {
        if (started === undefined || requested.index < first.index) continue;
        const lateMs = started.atMs - first.atMs;
        if (!queue) yield { index: started.index, what: `${op} came late, and where nobody queues` };
        else if (lateMs >= limits.sliceMs) yield { index: started.index, what: `${op} came late, and began after ${lateMs} ms` };
      }
    }
  },
};
