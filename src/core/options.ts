import { Buffer } from 'node:buffer';
import type { Metadata, Mode, Traits } from './backend.js';
import { InvalidArgumentError, NotSupportedError } from './errors.js';
import { limits } from './limits.js';

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
  /** An `overdue` event is sent when the work takes longer than this. */
  readonly expectedHoldMs?: number;
  /** Shown by `query` to everyone. */
  readonly metadata?: Metadata;
  /** What a request does when its own async context holds the name: wait (as the specification has it) or refuse. */
  readonly reentry?: 'wait' | 'refuse';
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
}

export interface Defaults {
  readonly ttlMs: number;
  readonly waitMs: number | undefined;
  readonly metadata: Metadata;
  readonly reentry: 'wait' | 'refuse';
  readonly callTimeoutMs: number;
  readonly unavailableMs: number;
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
] as const satisfies readonly (keyof RequestOptions)[];
const instanceKeys = [
  'ttlMs',
  'waitMs',
  'metadata',
  'reentry',
  'callTimeoutMs',
  'unavailableMs',
] as const satisfies readonly (keyof HoldfastOptions)[];

/** Edits needed to turn one word into the other (Levenshtein), for "did you mean". */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, swap));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const lower = word.toLowerCase();
  const scored = candidates.map((candidate) => {
    const known = candidate.toLowerCase();
    const contained = lower.length > 2 && (known.startsWith(lower) || lower.startsWith(known));
    return { candidate, distance: contained ? 1 : editDistance(lower, known) };
  });
  scored.sort((a, b) => a.distance - b.distance);
  const best = scored[0];
  return best !== undefined && best.distance <= Math.max(2, word.length / 2) ? best.candidate : undefined;
}

/** @throws InvalidArgumentError naming the option and the nearest valid one */
function refuseUnknown(options: object, known: readonly string[]): void {
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue;
    const guess = nearest(key, known);
    const hint = guess === undefined ? `valid options are ${known.join(', ')}` : `did you mean "${guess}"?`;
    throw new InvalidArgumentError(`unknown option "${key}": ${hint}`);
  }
}

function show(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

function duration(key: string, value: unknown, min: number, max: number): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isFinite(value) || value < min || value > max) {
    throw new InvalidArgumentError(`${key} is ${show(value)}: give a number of milliseconds from ${min} to ${max}`);
  }
  return value;
}

function optionalDuration(key: string, value: unknown, fallback: number | undefined): number | undefined {
  return duration(key, value, 0, limits.durationMsMax) ?? fallback;
}

function checkedMetadata(value: unknown): Metadata {
  if (value === undefined) return {};
  const ok =
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((v) => typeof v === 'string' || typeof v === 'boolean' || Number.isFinite(v));
  if (!ok) {
    throw new InvalidArgumentError('metadata must be a flat object of strings, finite numbers and booleans');
  }
  const bytes = Buffer.byteLength(JSON.stringify(value));
  if (bytes > limits.metadataBytesMax) {
    throw new InvalidArgumentError(
      `metadata takes ${bytes} bytes as JSON, at most ${limits.metadataBytesMax} are stored: keep what an operator needs to see`,
    );
  }
  return { ...(value as Metadata) };
}

function checkedReentry(value: unknown, fallback: 'wait' | 'refuse'): 'wait' | 'refuse' {
  if (value === undefined) return fallback;
  if (value === 'wait' || value === 'refuse') return value;
  throw new InvalidArgumentError(`reentry is ${show(value)}: use "wait" or "refuse"`);
}

export function parseDefaults(options: HoldfastOptions, traits: Traits): Defaults {
  refuseUnknown(options, instanceKeys);
  const ttlMs = ttlRange(traits);
  return {
    ttlMs:
      duration('ttlMs', options.ttlMs, ttlMs.min, ttlMs.max) ?? Math.min(Math.max(limits.ttlMsDefault, ttlMs.min), ttlMs.max),
    waitMs: optionalDuration('waitMs', options.waitMs, undefined),
    metadata: checkedMetadata(options.metadata),
    reentry: checkedReentry(options.reentry, 'wait'),
    callTimeoutMs:
      duration('callTimeoutMs', options.callTimeoutMs, limits.callTimeoutMsMin, limits.durationMsMax) ??
      limits.callTimeoutMsDefault,
    unavailableMs: optionalDuration('unavailableMs', options.unavailableMs, undefined) ?? limits.unavailableMsMax,
  };
}

function ttlRange(traits: Traits): { min: number; max: number } {
  return { min: Math.max(limits.ttlMsMin, traits.ttlMs.min), max: Math.min(limits.ttlMsMax, traits.ttlMs.max) };
}

/** A dictionary in the sense of Web IDL: undefined and null stand for an empty one, other non-objects are a TypeError. */
function dictionary(options: unknown): Record<string, unknown> {
  if (options === undefined || options === null) return {};
  if (typeof options !== 'object' && typeof options !== 'function') {
    throw typeError(`the options are ${show(options)}: give an object`);
  }
  return options as Record<string, unknown>;
}

/** The `TypeError` that Web IDL names, with ours as its cause. */
export function typeError(message: string): TypeError {
  return new TypeError(message, { cause: new InvalidArgumentError(message) });
}

/** The `DOMException` that the specification names, with ours as its cause. */
export function domException(name: string, cause: Error): DOMException {
  return new DOMException(cause.message, { name, cause });
}

function refusal(message: string): DOMException {
  return domException('NotSupportedError', new NotSupportedError(message));
}

/** The members of the specification's `LockOptions`, converted; ours are still as given. */
export interface ConvertedOptions {
  readonly given: Record<string, unknown>;
  readonly ifAvailable: boolean;
  readonly mode: Mode;
  readonly signal: AbortSignal | undefined;
  readonly steal: boolean;
}

/**
 * What Web IDL does before the first step of `request()`: members in the order of their names.
 *
 * @throws TypeError
 */
export function convertOptions(options: unknown): ConvertedOptions {
  const given = dictionary(options);
  const ifAvailable = Boolean(given['ifAvailable']);
  const mode = checkedMode(given['mode']);
  const signal = checkedSignal(given['signal']);
  const steal = Boolean(given['steal']);
  return { given, ifAvailable, mode, signal, steal };
}

/**
 * The checks of `request()` in the order of its steps (w3.org/TR/web-locks, 4.1), then our own.
 *
 * @throws DOMException `NotSupportedError`, the signal's reason, or InvalidArgumentError
 */
export function parseRequest(name: string, options: ConvertedOptions, defaults: Defaults, traits: Traits): Settings {
  const { given, ifAvailable, mode, signal, steal } = options;
  if (name.startsWith('-')) throw refusal(`a lock name may not start with "-": ${show(name)}`);
  if (steal && ifAvailable) throw refusal('steal and ifAvailable exclude each other: choose one');
  if (steal && mode !== 'exclusive') throw refusal('only an exclusive lock can be stolen: leave out mode');
  if (signal !== undefined && (steal || ifAvailable)) {
    throw refusal('signal needs a request that waits: leave out steal and ifAvailable');
  }
  if (signal?.aborted === true) throw signal.reason;
  refuseUnknown(given, requestKeys);
  if (mode === 'shared' && !traits.shared) throw refusal('this store has no shared mode: use an exclusive lock');
  return { mode, ifAvailable, signal, steal, ...parseTimes(given, defaults, traits) };
}

function parseTimes(options: Record<string, unknown>, defaults: Defaults, traits: Traits) {
  const ttl = ttlRange(traits);
  const waitMs = optionalDuration('waitMs', options['waitMs'], defaults.waitMs);
  return {
    ttlMs: duration('ttlMs', options['ttlMs'], ttl.min, ttl.max) ?? defaults.ttlMs,
    waitMs,
    maxHoldMs: optionalDuration('maxHoldMs', options['maxHoldMs'], undefined),
    expectedHoldMs: optionalDuration('expectedHoldMs', options['expectedHoldMs'], undefined),
    metadata: options['metadata'] === undefined ? defaults.metadata : checkedMetadata(options['metadata']),
    reentry: checkedReentry(options['reentry'], defaults.reentry),
  };
}

function checkedMode(value: unknown): Mode {
  if (value === undefined) return 'exclusive';
  const mode = String(value);
  if (mode === 'exclusive' || mode === 'shared') return mode;
  throw typeError(`mode is ${show(mode)}: use "exclusive" or "shared"`);
}

function checkedSignal(value: unknown): AbortSignal | undefined {
  if (value === undefined) return undefined;
  if (value instanceof AbortSignal) return value;
  throw typeError('signal is not an AbortSignal: pass the signal of an AbortController');
}
