import type { Rule } from '../verdict.js';

/** A request of this key was begun, and nobody knows what it did: it is refused until it is reconciled. */
export const frozenRecord: Rule = (facts, commands) =>
  facts.frozen.map(({ operation, key, because, error, node, fence, attempt, effects, recordKey }) => ({
    id: 'frozen-record',
    severity: 'critical',
    summary: `the request "${key}" of "${operation}" is frozen: nobody knows whether it was done`,
    evidence: [
      because === 'error-after-effect'
        ? `its handler failed after an effect: ${error ?? 'no error was noted'}`
        : `the lease of its handler ended while it ran, on ${node}`,
      `attempt ${attempt}, fence ${fence}, effects marked: ${effects.length === 0 ? 'none' : effects.join(', ')}`,
      `record ${recordKey}`,
    ],
    next: [{ why: 'resolve it; MODULE is the file that knows how (holdfast reconcile --help)', command: commands.reconcile() }],
  }));
