import os from 'node:os';
import { clearInterval, setInterval } from 'node:timers';

/** Processor time of the machine since it started, in milliseconds. */
export interface ProcessorTime {
  readonly idleMs: number;
  readonly allMs: number;
}

const windowMs = 200;
const idleShareMin = 0.05;

/** Whether next to nothing was idle between two readings: whoever had to answer meanwhile may not have had a processor. */
export function wereBusy(before: ProcessorTime, after: ProcessorTime): boolean {
  const allMs = after.allMs - before.allMs;
  return allMs > 0 && (after.idleMs - before.idleMs) / allMs < idleShareMin;
}

function read(): ProcessorTime {
  const all = os
    .cpus()
    .map(({ times }) => ({ idleMs: times.idle, allMs: Object.values(times).reduce((sum, ms) => sum + ms, 0) }));
  return all.reduce((sum, one) => ({ idleMs: sum.idleMs + one.idleMs, allMs: sum.allMs + one.allMs }), { idleMs: 0, allMs: 0 });
}

let watchers = 0;
let timer: NodeJS.Timeout | undefined;
let busyAtMs = Number.NEGATIVE_INFINITY;

/** One look for all cases that run at the same time. */
function lookAgain(): void {
  let before = read();
  timer = setInterval(() => {
    const after = read();
    if (wereBusy(before, after)) busyAtMs = performance.now();
    before = after;
  }, windowMs);
  timer.unref();
}

/** Watches the processors until it is stopped. */
export function watchProcessors(): { wereBusy(): boolean; stop(): void } {
  const sinceMs = performance.now();
  watchers += 1;
  if (watchers === 1) lookAgain();
  return {
    wereBusy: () => busyAtMs >= sinceMs,
    stop() {
      watchers -= 1;
      if (watchers === 0) clearInterval(timer);
    },
  };
}
