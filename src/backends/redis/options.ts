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
  /**
   * Replicas that must have a grant before it is given out (`WAIT`); with fewer in time, it is given back and the ask is
   * refused with `BackendUnavailableError`. Makes it rarer, not impossible, that a failover loses a lock. Asks then go on
   * a connection of their own. Default: 0.
   */
  readonly replicas?: number;
}

export interface Settings {
  readonly prefix: string;
  readonly commandTimeoutMs: number;
  readonly fenceRetentionMs: number;
  readonly replicas: number;
}

const prefixDefault = 'holdfast:';
const commandTimeoutMsDefault = 2_000;
/** More than any master feeds well. */
const replicasMax = 64;
const fenceRetentionMsDefault = 2 * limits.ttlMsMax;

/** @throws InvalidArgumentError */
export function parseOptions(options: RedisOptions = {}): Settings {
  const {
    prefix = prefixDefault,
    commandTimeoutMs = commandTimeoutMsDefault,
    fenceRetentionMs = fenceRetentionMsDefault,
    replicas = 0,
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
  if (!Number.isInteger(replicas) || replicas < 0 || replicas > replicasMax) {
    throw new InvalidArgumentError(`replicas must be a whole number from 0 to ${replicasMax}, not ${String(replicas)}`);
  }
  return { prefix: parsePrefix(prefix), commandTimeoutMs, fenceRetentionMs, replicas };
}

function isDuration(ms: unknown): ms is number {
  return typeof ms === 'number' && Number.isInteger(ms) && ms <= limits.durationMsMax;
}
