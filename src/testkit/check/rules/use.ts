import { takenAway, untilMsAt } from '../model.js';
import type { Rule } from '../rule.js';

export const useWithoutHold: Rule = {
  name: 'use-without-hold',
  promise: 'A fence that a lease shows is held in the store at that moment (if that keeps its data and nobody took it away).',
  *find(model) {
    if (!model.history.promises.durable) return;
    for (const { op, started, touched, tenure } of model.turns) {
      if (started === undefined || tenure === undefined) continue;
      for (const touch of [{ ...started, held: true }, ...touched]) {
        if (!touch.held || (takenAway(tenure)?.index ?? Number.POSITIVE_INFINITY) < touch.index) continue;
        const untilMs = untilMsAt(tenure, touch.index);
        if (touch.atMs > untilMs) {
          const lateMs = Math.round(touch.atMs - untilMs);
          yield { index: touch.index, what: `${op} used its lease ${lateMs} ms after the store had let it go` };
        }
        if (tenure.ended !== undefined && tenure.ended.index < touch.index) {
          yield { index: touch.index, what: `${op} used its lease after it had been ${tenure.ended.by}` };
        }
      }
    }
  },
};

export const deadOnArrival: Rule = {
  name: 'dead-on-arrival',
  promise: 'No work begins with a lease that is already over.',
  *find(model) {
    for (const { op, started } of model.turns) {
      if (started !== undefined && started.fence === undefined) {
        yield { index: started.index, what: `${op} was started with a lease that was already over` };
      }
    }
  },
};

export const syncAbort: Rule = {
  name: 'sync-abort',
  promise: 'A lease that refuses its fence has an aborted signal, and the other way round.',
  *find(model) {
    for (const { op, touched } of model.turns) {
      for (const { held, aborted, index } of touched) {
        if (held === aborted)
          yield { index, what: `${op}: fence ${held ? 'shown' : 'refused'}, signal ${aborted ? '' : 'not '}aborted` };
      }
    }
  },
};
