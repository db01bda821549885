import { conflict, group, type Turn, takenAway, untilMsAt } from '../model.js';
import type { Rule } from '../rule.js';

/** From its first to its last successful touch, a lease was believed in. What was stolen or revoked ends there. */
function believed(turn: Turn): { readonly from: number; readonly to: number } | undefined {
  if (turn.started?.fence === undefined) return undefined;
  const from = turn.started.index;
  const last = turn.touched.filter((touch) => touch.held).at(-1)?.index ?? from;
  // Work that ended without a word of loss was believed in until its end.
  const to = turn.signalled === undefined && turn.worked !== undefined ? turn.worked.index : last;
  const end = Math.min(to, takenAway(turn.tenure)?.index ?? to);
  return end < from ? undefined : { from, to: end };
}

export const exclusion: Rule = {
  name: 'exclusion',
  promise: 'On a store that keeps its data, no two conflicting leases are believed in at the same time.',
  *find(model) {
    if (!model.history.promises.durable) return;
    for (const turns of group(model.turns, (it) => it.requested.name).values()) {
      const spans = turns.flatMap((turn) => {
        const span = believed(turn);
        return span === undefined ? [] : [{ turn, ...span }];
      });
      spans.sort((a, b) => a.from - b.from);
      for (const [i, earlier] of spans.entries()) {
        for (const later of spans.slice(i + 1)) {
          if (later.from > earlier.to) continue;
          if (!conflict(earlier.turn.requested.mode, later.turn.requested.mode)) continue;
          yield {
            index: later.from,
            what: `${later.turn.op} began while ${earlier.turn.op} was believed to hold ${earlier.turn.requested.name}`,
          };
        }
      }
    }
  },
};

export const earlyGrant: Rule = {
  name: 'early-grant',
  promise: 'A store that keeps its data grants nothing that conflicts with what it has granted.',
  *find(model) {
    if (!model.history.promises.durable) return;
    for (const tenures of group(model.tenures, (it) => it.name).values()) {
      const granted = tenures.filter(({ minted }) => minted.stillborn !== true);
      for (const [i, later] of granted.entries()) {
        for (const earlier of granted.slice(0, i)) {
          if (!conflict(earlier.mode, later.mode) || earlier.owner === later.owner) continue;
          const { index, atMs } = later.minted;
          if (earlier.ended !== undefined && earlier.ended.index < index) continue;
          if (untilMsAt(earlier, index) <= atMs) continue;
          yield { index, what: `${later.owner} was granted ${later.name} while ${earlier.owner} held it` };
        }
      }
    }
  },
};
