import { InvalidArgumentError } from '../../core/errors.js';
import { limits } from '../../core/limits.js';
import type { PostgresClient } from './drivers/shape.js';

export interface PostgresOptions {
  /**
   * The schema of the tables and functions. Default: `holdfast`. Created with them on first use, if the role may; else
   * run what `setupSql()` answers.
   */
  readonly schema?: string;
  /** How long one call may take, all retries included; never longer than the lease allows. Default: 2,000. */
  readonly commandTimeoutMs?: number;
  /**
   * How long the last fence of a name is kept after its last grant; later the server's clock keeps the order alone.
   * Longer than the longest TTL. Default: two days.
   */
  readonly fenceRetentionMs?: number;
  /**
   * How waiters are woken: `LISTEN` on a connection of its own through this client (`true`, the default), through another one, for
   * instance one that leads past a transaction pooler, or not at all (`false`: they poll).
   */
  readonly listen?: boolean | PostgresClient;
}

export interface Settings {
  readonly schema: string;
  readonly commandTimeoutMs: number;
  readonly fenceRetentionMs: number;
  readonly listen: boolean | PostgresClient;
}

const commandTimeoutMsDefault = 2_000;
const fenceRetentionMsDefault = 2 * limits.ttlMsMax;

/** @throws InvalidArgumentError */
export function parseOptions(options: PostgresOptions = {}): Settings {
  const {
    schema,
    commandTimeoutMs = commandTimeoutMsDefault,
    fenceRetentionMs = fenceRetentionMsDefault,
    listen = true,
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
  if (typeof listen !== 'boolean' && (typeof listen !== 'object' || listen === null) && typeof listen !== 'function') {
    throw new InvalidArgumentError(`listen must be true, false or a client, not ${String(listen)}`);
  }
  return { schema: parseSchema(schema), commandTimeoutMs, fenceRetentionMs, listen };
}

/** @throws InvalidArgumentError */
export function parseSchema(schema = 'holdfast'): string {
  // 63 bytes is what the server keeps of an identifier; the rest it cuts off in silence.
  if (typeof schema === 'string' && /^[A-Za-z_][A-Za-z0-9_-]{0,62}$/.test(schema) && !schema.startsWith('pg_')) return schema;
  throw new InvalidArgumentError(
    `schema must be 1 to 63 letters, digits, "_" and "-", must begin with a letter or "_" and not with "pg_", and is ${JSON.stringify(schema)}`,
  );
}

function isDuration(ms: unknown): ms is number {
  return typeof ms === 'number' && Number.isInteger(ms) && ms <= limits.durationMsMax;
}
