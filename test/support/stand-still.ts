import type { ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import process from 'node:process';

const pause = new Int32Array(new SharedArrayBuffer(4));
const standMsMax = 5_000;

/**
 * Stops a process, and returns when it stands still. `kill` only sends the signal: until the thread that gets it has had a processor, the
 * others go on, and a server answers; on a busy machine for milliseconds.
 */
export function standStill(pid: number | undefined): void {
  if (pid === undefined) throw new Error('there is no process that could be stopped');
  process.kill(pid, 'SIGSTOP');
  if (process.platform !== 'linux') return;
  for (const endMs = performance.now() + standMsMax; !stands(pid); Atomics.wait(pause, 0, 0, 1)) {
    if (performance.now() > endMs) throw new Error(`process ${pid} was told to stop, and goes on`);
  }
}

/** Any signal, sent to a child that may be gone. */
export function signalTo(child: ChildProcess | undefined, signal: NodeJS.Signals): void {
  if (signal === 'SIGSTOP') standStill(child?.pid);
  else child?.kill(signal);
}

/** `T`: stopped. Every thread has a state of its own. */
function stands(pid: number): boolean {
  const threads = `/proc/${pid}/task`;
  return readdirSync(threads).every((thread) => {
    try {
      const stat = readFileSync(`${threads}/${thread}/stat`, 'utf8');
      return stat[stat.lastIndexOf(')') + 2] === 'T';
    } catch {
      // It has ended meanwhile.
      return true;
    }
  });
}
