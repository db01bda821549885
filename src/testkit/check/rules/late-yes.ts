import type { Rule } from '../rule.js';

export const lateYes: Rule = {
  name: 'late-yes',
  promise: 'A renewal that says yes after the deadline has passed revives nothing.',
  *find(model) {
    for (const { op, tenure, started, touched } of model.turns) {
      if (tenure === undefined || started === undefined) continue;
      let deadlineMs = Number.NEGATIVE_INFINITY;
      let lateAt = Number.POSITIVE_INFINITY;
      for (const { owner, outcome, call, index, atMs, tookMs } of model.of('answered')) {
        if (owner !== tenure.owner || (outcome !== 'granted' && outcome !== 'renewed')) continue;
        if (call === 'renew' && index > started.index && atMs > deadlineMs) lateAt = Math.min(lateAt, index);
        // True time and the whole TTL: the real deadline is earlier, by drift and margin.
        deadlineMs = Math.max(deadlineMs, atMs - tookMs + tenure.ttlMs);
      }
      const use = touched.find((touch) => touch.held && touch.index > lateAt);
      if (use !== undefined) yield { index: use.index, what: `${op} used its lease after a yes that came too late` };
    }
  },
};
