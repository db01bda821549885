import type { LockRecord } from '../../core/backend.js';
import type { Commands } from '../commands.js';
import { type Facts, present } from '../facts.js';
import type { NextStep } from '../verdict.js';

/** Takes a hold away. Where readers share the name, that ends all of them, and it is said. */
export function endStep(facts: Facts, commands: Commands, record: LockRecord, reason: string, why: string): NextStep {
  const { length } = present(facts).held;
  return { why: length > 1 ? `${why} (ends all ${length} holds)` : why, command: commands.revoke(record, reason) };
}
