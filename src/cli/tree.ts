import { readdirSync } from 'node:fs';
import { readProcess } from '../core/node.js';

/** A process's descendants as `/proc` shows them now, nearest first; none where there is no `/proc`. */
export function descendants(root: number): readonly number[] {
  const children = new Map<number, number[]>();
  let pids: string[];
  try {
    pids = readdirSync('/proc').filter((entry) => /^[0-9]+$/.test(entry));
  } catch {
    return [];
  }
  for (const pid of pids) {
    const parent = readProcess(Number(pid))?.parentPid;
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), Number(pid)]);
  }
  const found: number[] = [];
  for (let level = children.get(root) ?? []; level.length > 0; ) {
    found.push(...level);
    level = level.flatMap((pid) => children.get(pid) ?? []);
  }
  return found;
}
