import { backoffMs } from '../core/backoff.js';
import type { Ports } from '../core/clock.js';
import { limits } from '../core/limits.js';
import { pause } from '../core/pause.js';

/** Between two looks at a request that runs elsewhere. Ends early when the signal is aborted. */
export function pauseBeforeLooking(ports: Ports, looks: number, leftMs: number, signal: AbortSignal | undefined): Promise<void> {
  const pauseMs = backoffMs(looks + 1, limits.replayPollMsMin, limits.replayPollMsMax, ports.random());
  return pause(ports, Math.min(pauseMs, leftMs), signal);
}
