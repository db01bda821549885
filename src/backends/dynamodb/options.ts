import { Buffer } from 'node:buffer';
import { InvalidArgumentError } from '../../core/errors.js';
import { limits } from '../../core/limits.js';

export interface DynamoDBOptions {
  /** The table of the leases. Its key is the string `name`. Default: `holdfast`. */
  readonly table?: string;
  /** What the key of every lease starts with. Default: `holdfast:`. */
  readonly prefix?: string;
  /** Makes the table where it is missing: paid per request, with `expires_at` as its TTL attribute. Default: false. */
  readonly create?: boolean;
  /** How long one call may take, all retries of the SDK included; never longer than the lease allows. Default: 2,000. */
  readonly commandTimeoutMs?: number;
  /** The longest pause between two looks of a waiter, each of which is a paid read. Default: 250. */
  readonly pollMs?: number;
  /**
   * How long a name that nobody holds is kept, with its last fence; later the clock of whoever takes it next keeps the
   * order alone. Default: 30 days.
   */
  readonly retentionMs?: number;
  /**
   * For jobs that ask once and go away (cron): a hold whose last sign of life is older than its TTL plus this, by the clocks of
   * both machines, is taken over at first sight. Default: never; only who watches for a TTL takes over, and no two clocks are
   * compared. AWS refuses requests that are signed with a time more than some minutes off, so half an hour is safe there.
   */
  readonly deadAfterMs?: number;
}

export type Settings = Required<DynamoDBOptions>;

const defaults: Settings = {
  table: 'holdfast',
  prefix: 'holdfast:',
  create: false,
  commandTimeoutMs: 2_000,
  pollMs: 250,
  retentionMs: 30 * 86_400_000,
  deadAfterMs: Number.POSITIVE_INFINITY,
};

/** A day: far more than what two clocks may differ by, so that no sweep meets a lease. */
const retentionMsMin = 86_400_000;
/** Ten years. DynamoDB leaves alone what has been over for five, and nobody's clock may have been off by that much. */
const retentionMsMax = 10 * 365 * 86_400_000;
/** Twice the most that AWS lets a signature be off, which is a quarter of an hour. */
const deadAfterMsMin = 1_800_000;
/** With the longest name far below the 2,048 bytes of a key. */
const prefixBytesMax = 256;

/** @throws InvalidArgumentError */
export function parseOptions(options: DynamoDBOptions = {}): Settings {
  for (const key of Object.keys(options)) {
    if (!Object.hasOwn(defaults, key)) {
      throw new InvalidArgumentError(`dynamodb() has no option "${key}": known ones are ${Object.keys(defaults).join(', ')}`);
    }
  }
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const settings: Settings = { ...defaults, ...given };
  if (!isTable(settings.table)) {
    const shown = JSON.stringify(settings.table);
    throw new InvalidArgumentError(
      `table must be 3 to 255 letters, digits, "_", "-" or ".", or the ARN of a table, not ${shown}`,
    );
  }
  checkPrefix(settings.prefix);
  if (typeof settings.create !== 'boolean') {
    throw new InvalidArgumentError(`create must be true or false, not ${String(settings.create)}`);
  }
  checkMs('commandTimeoutMs', settings.commandTimeoutMs, limits.callTimeoutMsMin, limits.durationMsMax);
  checkMs('pollMs', settings.pollMs, limits.retryMsMin, limits.pollMsMax);
  checkMs('retentionMs', settings.retentionMs, retentionMsMin, retentionMsMax);
  const { deadAfterMs } = settings;
  if (deadAfterMs !== defaults.deadAfterMs) checkMs('deadAfterMs', deadAfterMs, deadAfterMsMin, limits.durationMsMax);
  return settings;
}

/** With its ARN, a table of another account may be named. */
function isTable(table: unknown): boolean {
  return typeof table === 'string' && /^(?:arn:[\w-]+:dynamodb:[\w-]*:\w*:table\/)?[\w.-]{3,255}$/.test(table);
}

function checkPrefix(prefix: unknown): void {
  if (typeof prefix === 'string' && !/[\ud800-\udfff]/u.test(prefix) && Buffer.byteLength(prefix) <= prefixBytesMax) return;
  throw new InvalidArgumentError(`prefix must be a string of at most ${prefixBytesMax} bytes, not ${JSON.stringify(prefix)}`);
}

function checkMs(name: string, ms: unknown, min: number, max: number): void {
  if (typeof ms === 'number' && Number.isInteger(ms) && ms >= min && ms <= max) return;
  throw new InvalidArgumentError(`${name} must be a whole number from ${min} to ${max}, not ${String(ms)}`);
}
