import type { LockRecord } from '../core/backend.js';
import { type NodeIdentity, processExists, readProcess } from '../core/node.js';

/** What is seen of a process from here. */
export type ProcessSight =
  | { readonly state: 'runs' }
  /** Stopped by a signal or a debugger. */
  | { readonly state: 'stopped' }
  | { readonly state: 'gone'; readonly why: string }
  /** A machine of the same name has started anew since. Only a hint: two machines may have one name. */
  | { readonly state: 'rebooted'; readonly why: string }
  /** Of another machine or container. */
  | { readonly state: 'unseen' };

/** A clock tick of rounding (see `NodeIdentity.startedAt`). */
const startSlackTicks = 1;

/**
 * Pids compare only within one boot and one process-id namespace, which is what the whole `bootId` names. What the store itself has
 * seen of the process (`LockRecord.alive`) comes first: it may be nearer.
 */
export function sightOf({ node, alive }: Pick<LockRecord, 'node' | 'alive'>, self: NodeIdentity): ProcessSight {
  if (node.bootId === self.bootId) return ownMachine(node, alive);
  if (alive === false) return { state: 'gone', why: `process ${node.pid} on ${node.host} is gone` };
  const [theirs, ours] = [bootOf(node.bootId), bootOf(self.bootId)];
  const isOtherBoot = node.host === self.host && theirs !== undefined && ours !== undefined && theirs !== ours;
  return isOtherBoot ? { state: 'rebooted', why: `${node.host} has started anew since` } : { state: 'unseen' };
}

function ownMachine({ pid, startedAt, host }: NodeIdentity, alive: boolean | undefined): ProcessSight {
  if (!Number.isSafeInteger(pid) || pid <= 0) return { state: 'unseen' };
  if (!processExists(pid)) return { state: 'gone', why: `there is no process ${pid} on ${host}` };
  const seen = readProcess(pid);
  if (seen?.dead === true) return { state: 'gone', why: `process ${pid} on ${host} has ended` };
  // A store that was told of shifted clocks knows better which start is meant.
  if (alive !== true && seen !== undefined && startedAt !== '' && !sameStart(startedAt, seen.startedAt)) {
    return { state: 'gone', why: `pid ${pid} on ${host} is another process now` };
  }
  if (alive === false) return { state: 'gone', why: `process ${pid} on ${host} is gone` };
  return { state: seen?.stopped === true ? 'stopped' : 'runs' };
}

function sameStart(a: string, b: string): boolean {
  return Math.abs(Number(a) - Number(b)) <= startSlackTicks;
}

/** Linux's own, without the namespace. What stands in for it elsewhere is rounded, and proves nothing. */
function bootOf(bootId: string): string | undefined {
  return /^[0-9a-f-]{36}(?= |$)/.exec(bootId)?.[0];
}
