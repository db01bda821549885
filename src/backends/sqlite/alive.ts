import { type NodeIdentity, processExists, readProcess } from '../../core/node.js';

/** A process as a record tells of it. */
export interface Process {
  readonly node: NodeIdentity;
  /** By how many kernel ticks that process's view of start times was shifted (time namespace). */
  readonly skewTicks: number;
}

/** Rounding of a time namespace's offset. */
const startedAtSlackTicks = 1;

/**
 * Whether a process lives, undefined where that cannot be seen from here: pids mean something only within one boot and
 * one pid namespace, which is what `bootId` names. A zombie counts as dead: it holds nothing and will do nothing.
 */
export function isAlive(other: Process, self: Process): boolean | undefined {
  if (other.node.bootId !== self.node.bootId) return undefined;
  const { pid, startedAt } = other.node;
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  if (pid === self.node.pid && sameStart(startedAt, other.skewTicks, self.node.startedAt, self.skewTicks)) return true;
  if (!processExists(pid)) return false;
  const seen = readProcess(pid);
  if (seen === undefined || startedAt === '') return true;
  return !seen.dead && sameStart(startedAt, other.skewTicks, seen.startedAt, self.skewTicks);
}

function sameStart(a: string, aSkewTicks: number, b: string, bSkewTicks: number): boolean {
  return a === b && aSkewTicks === bSkewTicks
    ? true
    : Math.abs(Number(a) - aSkewTicks - (Number(b) - bSkewTicks)) <= startedAtSlackTicks;
}
