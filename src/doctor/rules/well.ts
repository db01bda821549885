import type { LockRecord } from '../../core/backend.js';
import { roughDuration } from '../../core/rough-duration.js';
import { type Facts, present } from '../facts.js';
import { holdsOf, type HoldView, isUntold } from '../holds.js';
import type { Commands } from '../commands.js';
import type { Verdict } from '../verdict.js';

/** What is said where no rule found anything. */
export function well(facts: Facts, commands: Commands): Verdict {
  const { held, waiting } = present(facts);
  const queue =
    waiting.length === 0 ? [] : [`${waiting.length} in the queue, the first for ${roughDuration(waiting[0]?.sinceMs ?? 0)}`];
  if (held.length === 0) {
    const summary =
      waiting.length === 0 ? 'nobody holds it, and nobody waits for it' : 'nobody holds it at this moment; it is being handed on';
    return { id: 'free', severity: 'info', summary, evidence: queue, next: [] };
  }
  const views = holdsOf(facts);
  const many = views.length > 1 ? ` (and ${views.length - 1} more)` : '';
  const [first] = views;
  return {
    id: 'healthy',
    severity: 'info',
    summary:
      first === undefined
        ? 'held'
        : `held by process ${first.record.node.pid} on ${first.record.node.host}${many}, ${lifeSign(first)}`,
    evidence: [...views.slice(0, 3).map(({ record }) => lineOf(record)), ...queue],
    next: [{ why: 'see everybody', command: commands.inspect(facts.name) }],
  };
}

function lifeSign({ renewed, record, seenForMs }: HoldView): string {
  if (renewed) return 'renewing';
  if (isUntold(record)) return 'in a session that the store keeps for as long as its process answers';
  return seenForMs === 0 ? 'granted or renewed in time' : 'its next renewal is not due yet';
}

function lineOf({ fence, sinceMs, expiresInMs, ttlMs, mode, renewals }: LockRecord): string {
  const left = expiresInMs === undefined ? '' : `, ${roughDuration(expiresInMs)} of ${roughDuration(ttlMs)} left`;
  const count = renewals === undefined ? '' : `, renewed ${renewals} times`;
  return `${mode}, fence ${fence ?? 'unknown'}, since ${roughDuration(sinceMs)}${left}${count}`;
}
