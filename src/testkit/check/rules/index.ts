import type { Rule } from '../rule.js';
import { callbacks } from './callbacks.js';
import { earlyGrant, exclusion } from './exclusion.js';
import { fenceOrder, fenceOwnership, fenceUnique } from './fences.js';
import { fifoLocal, fifoStore } from './fifo.js';
import { lateYes } from './late-yes.js';
import { leftToExpire, needlessLoss } from './needless.js';
import { orphans } from './orphans.js';
import { close, settles, spinning } from './progress.js';
import { prompt } from './prompt.js';
import { renewals } from './renewals.js';
import { lateSignal, toldButKept, unfoundedLoss } from './signal.js';
import { sink } from './sink.js';
import { slice } from './slice.js';
import { deadOnArrival, syncAbort, useWithoutHold } from './use.js';

/** Every promise that a history is held to. */
export const rules: readonly Rule[] = [
  fenceUnique,
  fenceOrder,
  fenceOwnership,
  exclusion,
  earlyGrant,
  useWithoutHold,
  deadOnArrival,
  syncAbort,
  lateSignal,
  toldButKept,
  lateYes,
  unfoundedLoss,
  needlessLoss,
  leftToExpire,
  orphans,
  renewals,
  sink,
  callbacks,
  fifoStore,
  fifoLocal,
  prompt,
  slice,
  settles,
  close,
  spinning,
];
