import type { Metadata, Mode, Traits } from './backend.js';
import {
  checkedFlag,
  checkedMetadata,
  checkedReentry,
  checkedTracer,
  duration,
  optionalDuration,
  refuseUnknown,
} from './checks.js';
import { limits } from './limits.js';
import type { Tracer } from './tracer.js';
import { type ConvertedOptions, noOptions, refusal, refuseAsSpecified } from './weblocks.js';

export { nearest } from './nearest.js';

/** Options of one request. The first four are those of the Web Locks API. */
export interface RequestOptions {
  readonly mode?: Mode;
  /** Do not wait: the callback gets `null` if the lock is not free. */
  readonly ifAvailable?: boolean;
  /** Take it from whoever holds it, in front of everyone who waits. */
  readonly steal?: boolean;
  /** Gives the request up while it waits. Has no effect once it was granted. */
  readonly signal?: AbortSignal;
  /** How long the store keeps the lock if this process dies. Renewed while the work runs. */
  readonly ttlMs?: number;
  /** Longest wait; 0 tries once. Default: for as long as it takes. */
  readonly waitMs?: number;
  /** The lease is ended (loss `overdue`) when the work takes longer than this. */
  readonly maxHoldMs?: number;
  /** An `overdue` event is sent when the work takes longer than this. Shown to everyone beside the metadata. */
  readonly expectedHoldMs?: number;
  /** Shown by `query` to everyone. */
  readonly metadata?: Metadata;
  /** What a request does when its own async context holds the name: wait (as the specification has it) or refuse. */
  readonly reentry?: 'wait' | 'refuse';
  /** The grant serves this request alone, so that the fence that `query` shows to everyone is that of its lease. */
  readonly alone?: boolean;
}

/** Options of `acquire`: without `ifAvailable` (use `waitMs: 0`), and re-entry is always refused. */
export type AcquireOptions = Omit<RequestOptions, 'ifAvailable' | 'reentry'>;

/** Options of an instance: defaults for its requests. */
export interface HoldfastOptions {
  readonly ttlMs?: number;
  readonly waitMs?: number;
  readonly metadata?: Metadata;
  readonly reentry?: 'wait' | 'refuse';
  /** Deadline of one call to the store. Never more than half of the TTL in play. */
  readonly callTimeoutMs?: number;
  /** How long an ask goes on through an unavailable store. */
  readonly unavailableMs?: number;
  /** Follows requests: `openTelemetryTracer()` of `holdfast/telemetry/opentelemetry`, or your own. */
  readonly tracer?: Tracer;
}

/** Options after the one check. Everything is present and legal. */
export interface Settings {
  readonly mode: Mode;
  readonly ifAvailable: boolean;
  readonly steal: boolean;
  readonly signal: AbortSignal | undefined;
  readonly ttlMs: number;
  readonly waitMs: number | undefined;
  readonly maxHoldMs: number | undefined;
  readonly expectedHoldMs: number | undefined;
  readonly metadata: Metadata;
  readonly reentry: 'wait' | 'refuse';
  readonly alone: boolean;
}

export interface Defaults {
  readonly ttlMs: number;
  readonly waitMs: number | undefined;
  readonly metadata: Metadata;
  readonly reentry: 'wait' | 'refuse';
  readonly callTimeoutMs: number;
  readonly unavailableMs: number;
  readonly tracer: Tracer | undefined;
  /** Of a request without options: the same object for all of them. */
  readonly settings: Settings;
}

const requestKeys = [
  'mode',
  'ifAvailable',
  'steal',
  'signal',
  'ttlMs',
  'waitMs',
  'maxHoldMs',
  'expectedHoldMs',
  'metadata',
  'reentry',
  'alone',
] as const satisfies readonly (keyof RequestOptions)[];
const instanceKeys = [
  'ttlMs',
  'waitMs',
  'metadata',
  'reentry',
  'callTimeoutMs',
  'unavailableMs',
  'tracer',
] as const satisfies readonly (keyof HoldfastOptions)[];

export function parseDefaults(options: HoldfastOptions, traits: Traits): Defaults {
  refuseUnknown(options, instanceKeys);
  const ttlMs = ttlRange(traits);
  const defaults = {
    ttlMs:
      duration('ttlMs', options.ttlMs, ttlMs.min, ttlMs.max) ?? Math.min(Math.max(limits.ttlMsDefault, ttlMs.min), ttlMs.max),
    waitMs: optionalDuration('waitMs', options.waitMs, undefined),
    metadata: checkedMetadata(options.metadata),
    reentry: checkedReentry(options.reentry, 'wait'),
    callTimeoutMs:
      duration('callTimeoutMs', options.callTimeoutMs, limits.callTimeoutMsMin, limits.durationMsMax) ??
      limits.callTimeoutMsDefault,
    unavailableMs: optionalDuration('unavailableMs', options.unavailableMs, undefined) ?? limits.unavailableMsMax,
    tracer: checkedTracer(options.tracer),
  };
  return { ...defaults, settings: parseOptions(noOptions, defaults, traits) };
}

function ttlRange(traits: Traits): { min: number; max: number } {
  return { min: Math.max(limits.ttlMsMin, traits.ttlMs.min), max: Math.min(limits.ttlMsMax, traits.ttlMs.max) };
}

/**
 * The checks of the specification, then our own.
 *
 * @throws DOMException `NotSupportedError`, the signal's reason, or InvalidArgumentError
 */
export function parseRequest(name: string, options: ConvertedOptions, defaults: Defaults, traits: Traits): Settings {
  refuseAsSpecified(name, options);
  return options === noOptions ? defaults.settings : parseOptions(options, defaults, traits);
}

function parseOptions(options: ConvertedOptions, defaults: Omit<Defaults, 'settings'>, traits: Traits): Settings {
  const { given, ifAvailable, mode, signal, steal } = options;
  refuseUnknown(given, requestKeys);
  if (mode === 'shared' && !traits.shared) throw refusal('this store has no shared mode: use an exclusive lock');
  return { mode, ifAvailable, signal, steal, ...parseTimes(given, defaults, traits) };
}

function parseTimes(options: Record<string, unknown>, defaults: Omit<Defaults, 'settings'>, traits: Traits) {
  const ttl = ttlRange(traits);
  const waitMs = optionalDuration('waitMs', options['waitMs'], defaults.waitMs);
  return {
    ttlMs: duration('ttlMs', options['ttlMs'], ttl.min, ttl.max) ?? defaults.ttlMs,
    waitMs,
    maxHoldMs: optionalDuration('maxHoldMs', options['maxHoldMs'], undefined),
    expectedHoldMs: optionalDuration('expectedHoldMs', options['expectedHoldMs'], undefined),
    metadata: options['metadata'] === undefined ? defaults.metadata : checkedMetadata(options['metadata']),
    reentry: checkedReentry(options['reentry'], defaults.reentry),
    alone: checkedFlag('alone', options['alone']),
  };
}
