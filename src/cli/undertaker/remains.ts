import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';

/** What may be left of a command whose holder is dead. */
export interface Remains {
  /** Kills what is left, as far as it may. True if that was nothing. */
  end(): boolean;
}

/** What is left when there was no command any more. */
export const nothing: Remains = { end: () => true };

/** A look may miss whoever is born while it is taken, and whoever is changing its program has no environment in that moment. */
export const looksMin = 3;

export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile, or may not be killed by us: the next look tells.
  }
}

const lookMsMin = 5;
/** What survives a SIGKILL for longer hangs in the kernel (a network filesystem): looking more often does not help it. */
const lookMsMax = 250;
/** The pause grows with the wait: a look reads all of `/proc`, and the wait may last a TTL. */
const lookRatio = 0.05;

/** Kills until nothing is left. */
export async function gone(remains: Remains): Promise<void> {
  const sinceMs = performance.now();
  for (let pauseMs = lookMsMin; !remains.end(); pauseMs = Math.min(2 * pauseMs, lookMsMax)) {
    await sleep(Math.max(pauseMs, lookRatio * (performance.now() - sinceMs)));
  }
}
