import { readdirSync, readlinkSync } from 'node:fs';
import process from 'node:process';
import { type ProcessStatus, readProcess } from '../core/node.js';

export interface SeenProcess extends ProcessStatus {
  readonly pid: number;
}

/** All processes that `/proc` shows now; none where there is no `/proc`. */
export function processes(): readonly SeenProcess[] {
  return census().seen;
}

/** `isWhole`: each that was there when it began could be read. One that had ended by then may have left children that began since. */
export function census(): { readonly seen: readonly SeenProcess[]; readonly isWhole: boolean } {
  const pids = listed();
  const seen = pids.flatMap((pid) => {
    const status = readProcess(pid);
    return status === undefined ? [] : [{ pid, ...status }];
  });
  return { seen, isWhole: pids.length > 0 && seen.length === pids.length };
}

/** None where `/proc` is about other processes than ours: a pid namespace without one of its own. */
function listed(): readonly number[] {
  try {
    if (readlinkSync('/proc/self') !== String(process.pid)) return [];
    return readdirSync('/proc')
      .filter((entry) => /^[0-9]+$/.test(entry))
      .map(Number);
  } catch {
    return [];
  }
}

/** A process's descendants, nearest first; none where there is no `/proc`. */
export function descendants(root: number): readonly number[] {
  const children = new Map<number, number[]>();
  for (const { pid, parentPid } of processes()) children.set(parentPid, [...(children.get(parentPid) ?? []), pid]);
  const found: number[] = [];
  for (let level = children.get(root) ?? []; level.length > 0; ) {
    found.push(...level);
    level = level.flatMap((pid) => children.get(pid) ?? []);
  }
  return found;
}
