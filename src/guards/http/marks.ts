import { createHash } from 'node:crypto';
import { Calls } from '../../core/calls.js';
import { systemPorts } from '../../core/clock.js';
import { BackendCorruptError, BackendUnavailableError } from '../../core/errors.js';
import type { CheckedWrite } from '../../core/guard.js';
import { limits } from '../../core/limits.js';
import type { Records, StoredRecord } from '../../core/records.js';
import { parseToken } from './token.js';

/** High-water marks in a record store: one record a resource, kept for ever. */
export class Marks {
  readonly #records: Records;
  readonly #prefix: string;
  readonly #callTimeoutMs: number;
  readonly #calls = new Calls(systemPorts());

  constructor(records: Records, prefix: string, callTimeoutMs: number) {
    this.#records = records;
    this.#prefix = prefix;
    this.#callTimeoutMs = callTimeoutMs;
  }

  /** The mark as it stands. */
  async read(encoded: string): Promise<bigint | undefined> {
    const key = this.#keyOf(encoded);
    return markOf(await this.#call(() => this.#records.get(key)));
  }

  /**
   * Raises the mark to the fence unless it is there or above. Answers the mark that stands then: it is higher than the fence if that is stale.
   * A try fails only where somebody else has changed the mark meanwhile, and each of them has raised it: hence the bound.
   */
  async raise({ encoded, fence }: CheckedWrite): Promise<bigint> {
    const key = this.#keyOf(encoded);
    const value = JSON.stringify({ fence: String(fence), resource: encoded });
    let found = await this.#call(() => this.#records.get(key));
    for (let tries = 0; tries < limits.markTriesMax; tries++) {
      const mark = markOf(found);
      if (mark !== undefined && mark >= fence) return mark;
      const version = found?.version;
      // No TTL: a mark that were forgotten would let an old fence in again.
      const { written, record } = await this.#call(() =>
        version === undefined
          ? this.#records.create(key, value, undefined)
          : this.#records.compareAndSet(key, version, value, undefined),
      );
      if (written) return fence;
      found = record;
    }
    throw new BackendUnavailableError(
      `the mark was changed by others ${limits.markTriesMax} times while it was raised: send the request again`,
    );
  }

  /** A digest: a resource may be as long as a store's keys, and the prefix comes on top. */
  #keyOf(encoded: string): string {
    return this.#prefix + createHash('sha256').update(encoded).digest('base64url');
  }

  #call<T>(call: () => Promise<T>): Promise<T> {
    return this.#calls.promise(this.#callTimeoutMs, 'raising the mark', call);
  }
}

function markOf(record: StoredRecord | undefined): bigint | undefined {
  if (record === undefined) return undefined;
  const mark = parseToken(textIn(record.value));
  if (mark !== undefined) return mark;
  throw new BackendCorruptError(
    `the record ${JSON.stringify(record.key)} holds no fence: find out who writes there, and put the highest fence back`,
  );
}

function textIn(value: string): string {
  try {
    return String(JSON.parse(value)?.fence);
  } catch {
    return '';
  }
}
