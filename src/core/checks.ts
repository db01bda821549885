import { Buffer } from 'node:buffer';
import type { Metadata } from './backend.js';
import { InvalidArgumentError } from './errors.js';
import { limits } from './limits.js';
import { nearest } from './nearest.js';
import type { Tracer } from './tracer.js';

/** @throws InvalidArgumentError naming the option and the nearest valid one */
export function refuseUnknown(options: object, known: readonly string[]): void {
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue;
    const guess = nearest(key, known);
    const hint = guess === undefined ? `valid options are ${known.join(', ')}` : `did you mean "${guess}"?`;
    throw new InvalidArgumentError(`unknown option "${key}": ${hint}`);
  }
}

export function show(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

export function duration(key: string, value: unknown, min: number, max: number): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isFinite(value) || value < min || value > max) {
    throw new InvalidArgumentError(`${key} is ${show(value)}: give a number of milliseconds from ${min} to ${max}`);
  }
  return value;
}

export function count(key: string, value: unknown, max: number): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= max) return value;
  throw new InvalidArgumentError(`${key} is ${show(value)}: give a whole number from 1 to ${max}`);
}

export function optionalDuration(key: string, value: unknown, fallback: number | undefined): number | undefined {
  return duration(key, value, 0, limits.durationMsMax) ?? fallback;
}

export function checkedMetadata(value: unknown): Metadata {
  if (value === undefined) return {};
  const ok =
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((v) => typeof v === 'string' || typeof v === 'boolean' || Number.isFinite(v));
  if (!ok) {
    throw new InvalidArgumentError('metadata must be a flat object of strings, finite numbers and booleans');
  }
  const bytes = mayBeTooLong(value as Metadata) ? Buffer.byteLength(JSON.stringify(value)) : 0;
  if (bytes > limits.metadataBytesMax) {
    throw new InvalidArgumentError(
      `metadata takes ${bytes} bytes as JSON, at most ${limits.metadataBytesMax} are stored: keep what an operator needs to see`,
    );
  }
  return { ...(value as Metadata) };
}

/** Most are so short that no text of them can be too long: one character is six bytes at most, as an escape. */
function mayBeTooLong(metadata: Metadata): boolean {
  let chars = 0;
  for (const [key, value] of Object.entries(metadata)) chars += 8 + key.length + (typeof value === 'string' ? value.length : 24);
  return chars * 6 > limits.metadataBytesMax;
}

export function checkedReentry(value: unknown, fallback: 'wait' | 'refuse'): 'wait' | 'refuse' {
  if (value === undefined) return fallback;
  if (value === 'wait' || value === 'refuse') return value;
  throw new InvalidArgumentError(`reentry is ${show(value)}: use "wait" or "refuse"`);
}

export function checkedFlag(key: string, value: unknown): boolean {
  if (value === undefined || typeof value === 'boolean') return value ?? false;
  throw new InvalidArgumentError(`${key} is ${show(value)}: use true or false`);
}

export function checkedTracer(value: Tracer | undefined): Tracer | undefined {
  if (value === undefined || typeof value?.follow === 'function') return value;
  throw new InvalidArgumentError(`tracer is ${show(value)}: give what openTelemetryTracer() returns, or an object with follow()`);
}
