import { conflict, group, type Model, takenAway } from '../model.js';
import type { Rule } from '../rule.js';

function undisturbed(model: Model): boolean {
  return model.history.promises.calm && model.history.promises.queue;
}

export const fifoStore: Rule = {
  name: 'fifo-store',
  promise: 'Where nothing fails, owners are served in the order in which they took their places.',
  *find(model) {
    if (!undisturbed(model)) return;
    const served = new Map(model.tenures.map((tenure) => [tenure.owner, tenure.minted.index]));
    const left = new Map(model.of('unqueued').map((event) => [event.owner, event.index]));
    for (const places of group(model.of('queued'), (it) => it.name).values()) {
      for (const [i, later] of places.entries()) {
        const laterServed = served.get(later.owner);
        if (laterServed === undefined) continue;
        for (const earlier of places.slice(0, i)) {
          if (!conflict(earlier.mode, later.mode)) continue;
          const gone = Math.min(served.get(earlier.owner) ?? Infinity, left.get(earlier.owner) ?? Infinity);
          if (gone > laterServed)
            yield { index: laterServed, what: `${later.owner} was served before ${earlier.owner}, who came first` };
        }
      }
    }
    yield* overtaking(model, served, left);
  },
};

/** Whoever never queued must not have passed someone who did. */
function* overtaking(model: Model, served: Map<string, number>, left: Map<string, number>) {
  const queued = new Set(model.of('queued').map((event) => event.owner));
  const stolen = new Set(model.of('sent').flatMap((event) => (event.call === 'steal' ? [event.owner] : [])));
  for (const tenure of model.tenures) {
    if (queued.has(tenure.owner) || stolen.has(tenure.owner)) continue;
    const { index } = tenure.minted;
    for (const place of model.of('queued')) {
      if (place.index > index) break;
      if (place.name !== tenure.name || !conflict(place.mode, tenure.mode)) continue;
      const gone = Math.min(served.get(place.owner) ?? Infinity, left.get(place.owner) ?? Infinity);
      if (gone > index) yield { index, what: `${tenure.owner} did not queue and was served before ${place.owner}` };
    }
  }
}

export const fifoLocal: Rule = {
  name: 'fifo-local',
  promise: 'Where nothing fails, conflicting requests of one process begin in the order in which they were made.',
  *find(model) {
    if (!model.history.promises.calm) return;
    // A batch that was stolen from goes back to the front of its queue and meets an ask for later callers there.
    const takenFrom = new Set(model.tenures.flatMap((it) => (takenAway(it) === undefined ? [] : [it.name])));
    const patient = model.turns.filter((turn) => turn.requested.patient && !takenFrom.has(turn.requested.name));
    for (const turns of group(patient, (it) => `${it.requested.process} ${it.requested.name}`).values()) {
      for (const [i, later] of turns.entries()) {
        if (later.started === undefined) continue;
        for (const earlier of turns.slice(0, i)) {
          if (!conflict(earlier.requested.mode, later.requested.mode)) continue;
          const begun = earlier.started?.index ?? earlier.settled?.index ?? Infinity;
          if (begun > later.started.index)
            yield { index: later.started.index, what: `${later.op} began before ${earlier.op}, which was made first` };
        }
      }
    }
  },
};
