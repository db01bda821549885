import { InvalidArgumentError } from '../../core/errors.js';
import { limits } from '../../core/limits.js';
import { parseOptions as parseRedisOptions } from '../redis/options.js';

export interface RedlockOptions {
  /** What the key of every lock starts with, on every node. Default: `holdfast:`. No spaces, no braces. */
  readonly prefix?: string;
  /**
   * How long one node may take to answer before it is counted as silent, and skipped for a while. Never more than a fifth
   * of the TTL. Default: 250.
   */
  readonly nodeTimeoutMs?: number;
  /**
   * The longest TTL that may be asked for, and how long a node sits out that may have forgotten a vote. The same in every
   * process that uses these nodes. Default: 60,000.
   */
  readonly maxTtlMs?: number;
  /**
   * `wait`: a node without a record of its past sits out `maxTtlMs` before its first vote. `trust`: it votes at once. That is
   * for the first start-up and for tests: it also trusts a node that has just lost everything. Default: `wait`.
   */
  readonly newNodes?: 'wait' | 'trust';
  /**
   * How long the last fence of a name is kept after its last grant; later the nodes' clocks keep the order alone. More
   * than a day. Default: two days.
   */
  readonly fenceRetentionMs?: number;
}

/** What the protocol needs to know. */
export interface ProtocolSettings {
  readonly nodeTimeoutMs?: number;
  readonly maxTtlMs: number;
  readonly newNodes: 'wait' | 'trust';
}

export interface Settings extends ProtocolSettings {
  readonly prefix: string;
  readonly fenceRetentionMs: number;
  /** For what is no vote: joining, listing, probing. */
  readonly commandTimeoutMs: number;
}

const nodeTimeoutMsDefault = 250;
/** Two rounds must fit into the half of the TTL that core gives a call. */
const nodeTimeoutRatioMax = 0.2;
const patienceMsMax = 2_000;
const maxTtlMsDefault = 60_000;

/** @throws InvalidArgumentError */
export function parseOptions(options: RedlockOptions = {}): Settings {
  const { prefix, fenceRetentionMs, nodeTimeoutMs, maxTtlMs = maxTtlMsDefault, newNodes = 'wait' } = options;
  if (nodeTimeoutMs !== undefined) check('nodeTimeoutMs', nodeTimeoutMs, limits.callTimeoutMsMin, limits.durationMsMax);
  check('maxTtlMs', maxTtlMs, 1_000, limits.ttlMsMax);
  if (newNodes !== 'wait' && newNodes !== 'trust') {
    throw new InvalidArgumentError(`newNodes is "wait" or "trust", not ${JSON.stringify(newNodes)}`);
  }
  const shared = parseRedisOptions({
    ...(prefix === undefined ? {} : { prefix }),
    ...(fenceRetentionMs === undefined ? {} : { fenceRetentionMs }),
  });
  return { ...shared, maxTtlMs, newNodes, ...(nodeTimeoutMs === undefined ? {} : { nodeTimeoutMs }) };
}

/** How long a node may take to answer a call on which a lease of this TTL depends. */
export function nodeTimeoutMs(settings: Pick<ProtocolSettings, 'nodeTimeoutMs'>, ttlMs: number): number {
  const wanted = settings.nodeTimeoutMs ?? nodeTimeoutMsDefault;
  return Math.max(limits.callTimeoutMsMin, Math.min(wanted, ttlMs * nodeTimeoutRatioMax));
}

/** How long at most, where this process itself was too busy to look at answers. */
export function patienceMs(settings: Pick<ProtocolSettings, 'nodeTimeoutMs'>, ttlMs: number): number {
  return Math.max(nodeTimeoutMs(settings, ttlMs), Math.min(ttlMs * nodeTimeoutRatioMax, patienceMsMax));
}

function check(name: string, value: unknown, min: number, max: number): void {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return;
  throw new InvalidArgumentError(`${name} must be a whole number from ${min} to ${max}, not ${String(value)}`);
}
