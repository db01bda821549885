import type { Ask, Backend, Held } from './backend.js';
import { backoffMs } from './backoff.js';
import { type Background, callTimeoutMs, isPermanent, withDeadline } from './calls.js';
import { elapsedMs, type Ports } from './clock.js';
import type { ReleaseOutcome } from './lease.js';
import { limits } from './limits.js';
import type { NodeIdentity } from './node.js';

/** The store, and how this instance talks to it. */
export interface StoreContext {
  readonly backend: Backend;
  readonly ports: Ports;
  readonly background: Background;
  readonly node: NodeIdentity;
  readonly callTimeoutMs: number;
  readonly unavailableMs: number;
}

/**
 * One try that the caller waits for; without an answer more in the background until the TTL is over (invariant 4).
 * Tells the outcome by calling back: a promise less on the way that every lease takes.
 */
export function release(context: StoreContext, held: Held, tell: (outcome: ReleaseOutcome) => void): void {
  const call = () => context.backend.release(held);
  withDeadline(context.ports, callTimeoutMs(context.callTimeoutMs, held.ttlMs), 'releasing', call).then(
    tell,
    (error: unknown) => {
      const warning = `"${held.name.text}" could not be released; it ends with its TTL`;
      if (isPermanent(error)) context.ports.warn(warning, error);
      else untilAnswered(context, held.ttlMs, held.ttlMs, warning, 1, call);
      tell('unknown');
    },
  );
}

/** Tells the store to forget an owner, again and again until it answers or nothing of it can be left (invariant 5). */
export function abandonInBackground(context: StoreContext, ask: Ask): void {
  const untilMs = Math.max(ask.ttlMs, limits.placeMs);
  const warning = `an ask for "${ask.name.text}" could not be withdrawn; it ends with its TTL`;
  untilAnswered(context, ask.ttlMs, untilMs, warning, 0, () => context.backend.abandon(ask));
}

function untilAnswered(
  { ports, background, callTimeoutMs: configuredMs }: StoreContext,
  ttlMs: number,
  untilMs: number,
  warning: string,
  failuresBefore: number,
  call: () => Promise<unknown>,
): void {
  const since = ports.now();
  background.run(warning, async () => {
    for (let failures = failuresBefore; ; failures++) {
      if (failures > 0) await sleep(ports, backoffMs(failures, limits.backoffMsMin, limits.backoffMsMax, ports.random()));
      try {
        await withDeadline(ports, callTimeoutMs(configuredMs, ttlMs), 'giving back', call);
        return;
      } catch (error) {
        if (isPermanent(error) || elapsedMs(since, ports.now()) > untilMs) throw error;
      }
    }
  });
}

function sleep(ports: Ports, delayMs: number): Promise<void> {
  return new Promise((resolve) => void ports.timer(delayMs, resolve));
}
