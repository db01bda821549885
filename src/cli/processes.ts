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

/** Not where `/proc` is about other processes than ours: a pid namespace without one of its own. */
export function processesAreShown(): boolean {
  try {
    return readlinkSync('/proc/self') === String(process.pid);
  } catch {
    return false;
  }
}

function listed(): readonly number[] {
  if (!processesAreShown()) return [];
  try {
    return readdirSync('/proc')
      .filter((entry) => /^[0-9]+$/.test(entry))
      .map(Number);
  } catch {
    return [];
  }
}

/** Those of them that are below some processes, and none of these. */
export function below(roots: readonly number[], among: readonly SeenProcess[]): readonly SeenProcess[] {
  const found = new Set(roots);
  for (let size = 0; size < found.size; ) {
    size = found.size;
    for (const { pid, parentPid } of among) if (found.has(parentPid)) found.add(pid);
  }
  return among.filter(({ pid }) => !roots.includes(pid) && found.has(pid));
}

/** Children before their parents. */
export function deepestFirst(some: readonly SeenProcess[]): readonly SeenProcess[] {
  const parents = new Map(some.map(({ pid, parentPid }) => [pid, parentPid]));
  const depthOf = (pid: number): number => {
    let depth = 0;
    for (let at = parents.get(pid); at !== undefined && depth < some.length; at = parents.get(at)) depth += 1;
    return depth;
  };
  const depths = new Map(some.map(({ pid }) => [pid, depthOf(pid)]));
  return [...some].sort((a, b) => (depths.get(b.pid) ?? 0) - (depths.get(a.pid) ?? 0));
}

const pillow = new Int32Array(new SharedArrayBuffer(4));

/** A stop signal is sent in no time, and obeyed when the process has a processor. Nothing else is done meanwhile. */
export function waitUntilStopped(pid: number, untilMs: number): void {
  for (;;) {
    const status = readProcess(pid);
    if (status === undefined || status.stopped || status.dead || performance.now() > untilMs) return;
    Atomics.wait(pillow, 0, 0, 1);
  }
}
