import { InvalidArgumentError } from '../../core/errors.js';
import { limits } from '../../core/limits.js';
import { parsePrefix } from './keys.js';

export interface RedisOptions {
  /**
   * What the key of every lock starts with. Default: `holdfast:`. May be empty, and may be that of the code that Holdfast
   * takes over from: locks of both are then the same keys. No spaces, no braces.
   */
  readonly prefix?: string;
  /** How long one call may take, all retries included; never longer than the lease allows. Default: 2,000. */
  readonly commandTimeoutMs?: number;
  /**
   * How long the last fence of a name is kept after its last grant; later the server's clock keeps the order alone.
   * Longer than the longest TTL. Default: two days.
   */
  readonly fenceRetentionMs?: number;
}

export interface Settings {
  readonly prefix: string;
  readonly commandTimeoutMs: number;
  readonly fenceRetentionMs: number;
}

const prefixDefault = 'holdfast:';
const commandTimeoutMsDefault = 2_000;
const fenceRetentionMsDefault = 2 * limits.ttlMsMax;

/** @throws InvalidArgumentError */
export function parseOptions(options: RedisOptions = {}): Settings {
  const {
    prefix = prefixDefault,
    commandTimeoutMs = commandTimeoutMsDefault,
    fenceRetentionMs = fenceRetentionMsDefault,
  } = options;
  if (!isDuration(commandTimeoutMs) || commandTimeoutMs < limits.callTimeoutMsMin) {
    throw new InvalidArgumentError(
      `commandTimeoutMs must be ${limits.callTimeoutMsMin} to ${limits.durationMsMax}, not ${String(commandTimeoutMs)}`,
    );
  }
  if (!isDuration(fenceRetentionMs) || fenceRetentionMs <= limits.ttlMsMax) {
    throw new InvalidArgumentError(
      `fenceRetentionMs must be more than ${limits.ttlMsMax}, the longest TTL, and at most ${limits.durationMsMax}, not ${String(fenceRetentionMs)}: a fence that is forgotten earlier could come again`,
    );
  }
  return { prefix: parsePrefix(prefix), commandTimeoutMs, fenceRetentionMs };
}

function isDuration(ms: unknown): ms is number {
  return typeof ms === 'number' && Number.isInteger(ms) && ms <= limits.durationMsMax;
}
