import type { LockRecord } from '../../core/backend.js';
import { roughDuration } from '../../core/rough-duration.js';
import { holdsOf, type HoldView } from '../holds.js';
import type { NextStep, Rule } from '../verdict.js';
import type { Commands } from '../commands.js';
import { endStep } from './ending.js';
import { isDead } from './holder-dead.js';

/** The holder is there and does not renew: stopped, stuck in its event loop, or cut off from the store. */
export const holderPaused: Rule = (facts, commands) =>
  holdsOf(facts)
    .filter(isPaused)
    .map((view) => {
      const { record } = view;
      const expires = record.expiresInMs === undefined ? '' : `; it expires in ${roughDuration(record.expiresInMs)}`;
      return {
        id: 'holder-paused',
        severity: 'warning',
        summary: `its holder is paused${expires}`,
        evidence: evidence(view),
        next: steps(view, commands, (why) => endStep(facts, commands, record, 'its holder is paused', why)),
      };
    });

export function isPaused(view: HoldView): boolean {
  return !isDead(view) && (view.process.state === 'stopped' || view.overdue);
}

function evidence({ record, overdue, process, seenForMs }: HoldView): string[] {
  const { pid, host } = record.node;
  const lines: string[] = [];
  if (process.state === 'stopped') lines.push(`process ${pid} on ${host} is stopped (state T)`);
  if (overdue) {
    const agoMs = record.ttlMs - (record.expiresInMs ?? 0);
    lines.push(
      `last renewed ${roughDuration(agoMs)} ago, though due each ${roughDuration(record.ttlMs / 3)}; two looks ${roughDuration(seenForMs)} apart saw no renewal`,
    );
  }
  lines.push(`held by process ${pid} on ${host}: fence ${record.fence}, since ${roughDuration(record.sinceMs)}`);
  return lines;
}

function steps({ record, process }: HoldView, commands: Commands, end: (why: string) => NextStep): NextStep[] {
  const take = end('give it to the next one');
  if (process.state === 'stopped') return [{ why: 'let it go on', command: commands.continue(record.node.pid) }, take];
  if (process.state !== 'runs') return [end(whyElsewhere(record))];
  return [{ why: 'see what keeps it busy', command: commands.processes([record.node.pid]) }, take];
}

function whyElsewhere({ node }: LockRecord): string {
  return `look at process ${node.pid} on ${node.host}; or give the name to the next one`;
}
