import { existsSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { awakeMs } from '../../support/waits.js';

const pollEveryMs = 10;

/** The first value that is not false, null or undefined. @throws if there is none in time */
export async function until<T>(what: string, limitMs: number, look: () => T | Promise<T>): Promise<NonNullable<T>> {
  const deadline = awakeMs() + limitMs;
  for (;;) {
    const found = await look();
    if (found !== false && found !== null && found !== undefined) return found;
    if (awakeMs() > deadline) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pollEveryMs));
  }
}

/** What has gone by since, less the time for which this process stood still. */
export function stopwatch(): () => number {
  const startMs = awakeMs();
  return () => awakeMs() - startMs;
}

const tickMs = 20;

/** Waits so long in small pieces: a machine that stands still uses up one of them, and all others come after it. */
export async function rest(ms: number): Promise<void> {
  for (let pieces = Math.ceil(ms / tickMs); pieces > 0; pieces--) await new Promise((resolve) => setTimeout(resolve, tickMs));
}

/** The lines that a command has completed in a file. */
export function linesOf(file: string): readonly string[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8').split('\n').slice(0, -1);
}

export async function firstLine(file: string, limitMs = 10_000): Promise<string> {
  return until(`a line in ${file}`, limitMs, () => linesOf(file)[0]);
}

/** Whether a process runs; a dead one that nobody has collected yet does not. */
export function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
  } catch {
    return process.platform !== 'linux';
  }
}
