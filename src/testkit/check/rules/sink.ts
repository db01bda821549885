import { takenAway, untilMsAt } from '../model.js';
import type { Rule } from '../rule.js';

export const sink: Rule = {
  name: 'sink',
  promise: 'Who holds the lock is never refused by a sink for an older fence.',
  *find(model) {
    const turns = new Map(model.turns.map((turn) => [turn.op, turn]));
    const newest = new Map<string, bigint>();
    for (const write of model.of('wrote')) {
      if (write.accepted) {
        if (write.fence < (newest.get(write.name) ?? 0n)) {
          yield { index: write.index, what: `the sink took ${write.fence} of ${write.op} after a newer one` };
        }
        newest.set(write.name, write.fence);
        continue;
      }
      const turn = turns.get(write.op);
      const tenure = turn?.tenure;
      // The next caller of the same grant may have written before a write that its predecessor did not wait for.
      if ((turn?.worked?.index ?? Number.POSITIVE_INFINITY) < write.index) continue;
      // Shared holders may write side by side: the older of them loses.
      if (tenure === undefined || tenure.mode === 'shared' || !model.history.promises.durable) continue;
      const heldAtArrival = takenAway(tenure) === undefined && (tenure.ended?.index ?? Number.POSITIVE_INFINITY) > write.index;
      if (heldAtArrival && untilMsAt(tenure, write.index) > write.atMs) {
        yield {
          index: write.index,
          what: `${write.op} held ${write.name} with fence ${write.fence}, but the sink had seen ${write.newest}`,
        };
      }
    }
  },
};
