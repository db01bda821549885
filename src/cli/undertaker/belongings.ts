import type { SeenProcess } from '../processes.js';
import type { CommandProcess } from './command-process.js';
import { isMarked } from './mark.js';

/**
 * A command and all that it started, of what was seen: itself, its session where it leads one, and whatever has the run's id in its
 * environment, also in a session of its own. What is to outlive the command has to take that out.
 */
export function belongings(command: CommandProcess, runId: string, seen: readonly SeenProcess[]): readonly SeenProcess[] {
  const { pid, ownGroup } = command;
  const now = seen.find((each) => each.pid === pid);
  // Its number was given to another process: then nobody is left in its session.
  const isAnothers = now !== undefined && !isSame(command, now);
  return seen.filter((each) => {
    if (each.dead) return false;
    if (each.pid === pid) return !isAnothers;
    if (ownGroup && !isAnothers && each.sessionId === pid) return true;
    return isYounger(command, each) && isMarked(each.pid, runId);
  });
}

export function isYounger({ startedAt }: CommandProcess, each: SeenProcess): boolean {
  return startedAt === '' || Number(each.startedAt) >= Number(startedAt);
}

function isSame({ startedAt }: CommandProcess, now: SeenProcess): boolean {
  return startedAt === '' || now.startedAt === startedAt;
}
