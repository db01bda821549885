import { processesAreShown } from '../processes.js';
import { readProcess } from '../../core/node.js';

/** The command that ran under the lock, so that somebody who did not start it finds it, and no other. */
export interface CommandProcess {
  readonly pid: number;
  /** It leads a process group and a session; else it shares the terminal's with others. */
  readonly ownGroup: boolean;
  /** In the kernel's own unit; empty where `/proc` does not say, or is about other processes. */
  readonly startedAt: string;
  /** Zero where the platform does not say. */
  readonly sessionId: number;
}

/** Of a child that was started just now and that nobody has waited for yet: its pid cannot be another's. */
export function commandProcess(pid: number, ownGroup: boolean): CommandProcess {
  const { startedAt = '', sessionId = 0 } = (processesAreShown() ? readProcess(pid) : undefined) ?? {};
  return { pid, ownGroup, startedAt, sessionId };
}

/** A line of words. The first is what `kill` takes: negative for a group. */
export function writtenCommand({ pid, ownGroup, startedAt, sessionId }: CommandProcess): string {
  return `${ownGroup ? -pid : pid} ${sessionId} ${startedAt}`;
}

/** What the guard heard of it: the line, or one word. */
export function readCommand([target, sessionId, startedAt = '']: readonly string[]): CommandProcess | 'over' | 'unknown' {
  if (target === 'over') return target;
  if (!/^-?[1-9][0-9]*$/.test(target ?? '')) return 'unknown';
  return { pid: Math.abs(Number(target)), ownGroup: Number(target) < 0, startedAt, sessionId: Number(sessionId) };
}
