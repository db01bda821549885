import type { Ask, Backend, Held } from './backend.js';
import type { Background } from './background.js';
import { type Calls, callTimeoutMs, isPermanent } from './calls.js';
import type { Ports } from './clock.js';
import type { ReleaseOutcome } from './lease.js';
import { limits } from './limits.js';
import type { NodeIdentity } from './node.js';

/** The store, and how this instance talks to it. */
export interface StoreContext {
  readonly backend: Backend;
  readonly ports: Ports;
  readonly calls: Calls;
  readonly background: Background;
  readonly node: NodeIdentity;
  readonly callTimeoutMs: number;
  readonly unavailableMs: number;
}

/**
 * One try that the caller waits for; without an answer more in the background until the TTL is over (invariant 4).
 * Tells the outcome by calling back, never at once.
 */
export function release(context: StoreContext, held: Held, tell: (outcome: ReleaseOutcome) => void): void {
  const { backend, background, calls, ports } = context;
  const call = () => backend.release(held);
  const timeoutMs = callTimeoutMs(context.callTimeoutMs, held.ttlMs);
  const failed = (error: unknown) => {
    const warning = `"${held.name.text}" could not be released; it ends with its TTL`;
    if (isPermanent(error)) ports.warn(warning, error);
    else background.errand({ kind: 'release', warning, mattersMs: held.ttlMs, timeoutMs, call }, { error });
    tell('unknown');
  };
  calls.within(timeoutMs, ports.now(), 'releasing', call, tell, failed, 'release');
}

/** What may be left of an ask: a place that is forgotten by itself soon, or the lock, until its TTL is over. */
export type Trace = 'place' | 'lock';

/** Tells the store to forget an owner, again and again until it answers or nothing of it can be left (invariant 5). */
export function abandonInBackground(
  { backend, background, callTimeoutMs: configuredMs }: StoreContext,
  ask: Ask,
  trace: Trace,
): void {
  background.errand({
    kind: 'withdrawal',
    warning: `an ask for "${ask.name.text}" could not be withdrawn; it ends with its TTL`,
    mattersMs: trace === 'place' ? limits.placeMs : Math.max(ask.ttlMs, limits.placeMs),
    timeoutMs: callTimeoutMs(configuredMs, ask.ttlMs),
    call: () => backend.abandon(ask),
  });
}
