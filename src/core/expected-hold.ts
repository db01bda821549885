import type { Metadata } from './backend.js';
import type { Settings } from './options.js';
import type { CallerTrace } from './tracing.js';

/** What goes with an ask: the user's metadata, how long the hold is expected to last, and the note for a tracer. */
export function shownBeside(metadata: Metadata, expectedHoldMs: number | undefined, trace: CallerTrace | undefined): Metadata {
  const expected = withExpectedHold(metadata, expectedHoldMs);
  return trace?.noteOn(expected) ?? expected;
}

/** Shown to everyone beside a hold, so that somebody else can tell whether it takes too long. What the user wrote there stays. */
function withExpectedHold(metadata: Metadata, expectedHoldMs: number | undefined): Metadata {
  if (expectedHoldMs === undefined || Object.hasOwn(metadata, 'expectedHoldMs')) return metadata;
  return { ...metadata, expectedHoldMs };
}

/** Of a hold that serves these callers: one after the other, or readers together. Undefined if one of them does not say. */
export function expectedHoldOf(callers: Iterable<{ readonly settings: Settings }>): number | undefined {
  let totalMs = 0;
  for (const { settings } of callers) {
    if (settings.expectedHoldMs === undefined) return undefined;
    totalMs = settings.mode === 'shared' ? Math.max(totalMs, settings.expectedHoldMs) : totalMs + settings.expectedHoldMs;
  }
  return totalMs === 0 ? undefined : totalMs;
}
