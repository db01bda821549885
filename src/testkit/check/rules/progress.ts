import type { Rule } from '../rule.js';

export const settles: Rule = {
  name: 'settles',
  promise: 'Every request settles in the end, no rejection goes unhandled, and close() comes back.',
  *find(model) {
    for (const { op, process, index } of model.of('stuck')) yield { index, what: `${op} of ${process} never settled` };
    for (const { message, index } of model.of('unhandled')) yield { index, what: `unhandled rejection: ${message}` };
  },
};

export const close: Rule = {
  name: 'close',
  promise: 'After close() nothing is left of a process: no timer, no hold, no place in a queue.',
  *find(model) {
    for (const { process, count, index } of model.of('timers-left'))
      yield { index, what: `${process} is closed and has ${count} timers` };
    // A replica that lagged brings old places back.
    if (!model.history.promises.durable) return;
    // A copy of a message that arrives when all is over is nobody's to take back; it ends by itself.
    const copies = new Set([...model.of('minted'), ...model.of('queued')].flatMap(({ owner, copy }) => (copy ? [owner] : [])));
    for (const { process, owner, name, state, index } of model.of('left-in-store')) {
      if (copies.has(owner)) continue;
      yield { index, what: `${process} is closed, and the store still shows it as ${state} for ${name}` };
    }
  },
};

export const spinning: Rule = {
  name: 'spinning',
  promise: 'Nothing is done over and over without a pause.',
  *find(model) {
    for (const { events, index } of model.of('spinning')) yield { index, what: `${events} events and no end` };
  },
};
