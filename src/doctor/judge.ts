import type { Commands } from './commands.js';
import type { Facts } from './facts.js';
import { fenceBehindSink } from './rules/fence-behind-sink.js';
import { foreignLock, noTtl } from './rules/foreign-locks.js';
import { frozenRecord } from './rules/frozen-record.js';
import { holderDead } from './rules/holder-dead.js';
import { holderPaused } from './rules/holder-paused.js';
import { heldLongerThanExpected, ttlFarAboveWork } from './rules/long-holds.js';
import { stuckBehindDeadWaiter, waitingOutAPause } from './rules/queue.js';
import { twoClaimants } from './rules/two-claimants.js';
import { well } from './rules/well.js';
import type { Rule, Verdict } from './verdict.js';

/** What stands in the way now comes before what may hurt later. */
const rules: readonly Rule[] = [
  holderDead,
  holderPaused,
  twoClaimants,
  noTtl,
  foreignLock,
  fenceBehindSink,
  frozenRecord,
  stuckBehindDeadWaiter,
  waitingOutAPause,
  heldLongerThanExpected,
  ttlFarAboveWork,
];

/** All that is the matter with a name; `free` or `healthy`, alone, where nothing is. Never empty. */
export function judge(facts: Facts, commands: Commands): readonly [Verdict, ...Verdict[]] {
  const [first, ...others] = rules.flatMap((rule) => rule(facts, commands));
  const told = first ?? well(facts, commands);
  return [{ ...told, evidence: [...told.evidence, ...facts.unseen] }, ...others];
}
