import { readdirSync } from 'node:fs';
import { type ProcessStatus, readProcess } from '../core/node.js';

export interface SeenProcess extends ProcessStatus {
  readonly pid: number;
}

/** All processes that `/proc` shows now; none where there is no `/proc`. */
export function processes(): readonly SeenProcess[] {
  let entries: readonly string[];
  try {
    entries = readdirSync('/proc');
  } catch {
    return [];
  }
  return entries.flatMap((entry) => {
    const status = /^[0-9]+$/.test(entry) ? readProcess(Number(entry)) : undefined;
    return status === undefined ? [] : [{ pid: Number(entry), ...status }];
  });
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
