import { limits } from '../../../core/limits.js';
import { takenAway, untilMsAt } from '../model.js';
import type { Rule } from '../rule.js';

const standstills: ReadonlySet<string> = new Set(['pause', 'suspend', 'freeze']);
/** A timer may be late by that much without anybody to blame. */
const timerLagMs = 3;

export const lateSignal: Rule = {
  name: 'late-signal',
  promise: 'A loss is signalled before the store lets go, but for the time that the process stood still.',
  *find(model) {
    for (const { op, started, signalled, worked, tenure } of model.turns) {
      if (started === undefined || tenure === undefined || takenAway(tenure) !== undefined) continue;
      const died = model.diedAtMs.get(started.process);
      const end = signalled ?? worked;
      const endMs = end?.atMs ?? died ?? Number.POSITIVE_INFINITY;
      const untilMs = untilMsAt(tenure, end?.index ?? Number.POSITIVE_INFINITY);
      const stoodMs = model
        .disturbed(started.process, started.atMs - tenure.ttlMs, endMs)
        .filter((fault) => standstills.has(fault.what))
        .reduce((sum, fault) => sum + fault.toMs - fault.fromMs, 0);
      if (endMs > untilMs + stoodMs + timerLagMs) {
        const lateMs = Math.round(endMs - untilMs - stoodMs);
        yield {
          index: end?.index ?? started.index,
          what: `${op} was not told of its loss until ${lateMs} ms after the store had let go`,
        };
      }
    }
  },
};

export const toldButKept: Rule = {
  name: 'told-but-kept',
  promise: 'Once the store has said (before the call was given up) that a hold is gone, its leases are over.',
  *find(model) {
    const toldAt = new Map<string, number>();
    for (const { call, outcome, owner, index, tookMs } of model.of('answered')) {
      if (tookMs > limits.callTimeoutMsMin) continue;
      if (call === 'renew' && (outcome === 'gone' || outcome === 'not-yours') && !toldAt.has(owner)) toldAt.set(owner, index);
    }
    for (const { op, tenure, started, touched } of model.turns) {
      const told = toldAt.get(tenure?.owner ?? '');
      if (told === undefined || started === undefined) continue;
      const use = [started, ...touched.filter((touch) => touch.held)].find((touch) => touch.index > told);
      if (use !== undefined) yield { index: use.index, what: `${op} used its lease although the store had said that it is gone` };
    }
  },
};

export const unfoundedLoss: Rule = {
  name: 'unfounded-loss',
  promise: 'A lease is not called forgotten, stolen or revoked unless the store, or this process, said so.',
  *find(model) {
    for (const { op, signalled, started, tenure, requested } of model.turns) {
      if (signalled === undefined || started === undefined || tenure === undefined) continue;
      if (signalled.loss !== 'forgotten' && signalled.loss !== 'stolen' && signalled.loss !== 'revoked') continue;
      const told = model
        .of('answered')
        .some(
          (answer) =>
            answer.index < signalled.index &&
            answer.process === started.process &&
            ((answer.owner === tenure.owner && (answer.outcome === 'gone' || answer.outcome === 'not-yours')) ||
              (answer.name === requested.name && (answer.call === 'steal' || answer.call === 'revoke'))),
        );
      if (!told) yield { index: signalled.index, what: `${op} was told "${signalled.loss}", but nobody had said so` };
    }
  },
};
