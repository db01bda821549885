import { Calls } from '../core/calls.js';
import { systemPorts } from '../core/clock.js';
import { OutcomeUnknownError } from '../core/errors.js';
import { limits } from '../core/limits.js';
import type { Records } from '../core/records.js';
import { keptForMs, read, write } from './context.js';
import { type IdempotencyRecord, parseRecord } from './record.js';

/**
 * A person has looked at a disputed record: from now on it is one like any other, and its answer ends after its `ttlMs`. The decision and the evidence stay as they are.
 *
 * @param recordKey as events and outcomes tell it
 * @returns what it was before, or undefined if there is no record, or no dispute
 * @throws what the store throws; OutcomeUnknownError: then do it again
 */
export async function endDispute(
  records: Pick<Records, 'get' | 'create' | 'compareAndSet'>,
  recordKey: string,
): Promise<IdempotencyRecord | undefined> {
  const calls = new Calls(systemPorts());
  try {
    const store = { records, calls, settings: { callTimeoutMs: limits.callTimeoutMsDefault } };
    let stored = await read(store, recordKey);
    for (let tries = 0; tries < limits.recordWriteTriesMax && stored !== undefined; tries++) {
      const record = parseRecord(stored.value);
      if (!record.disputed) return undefined;
      const next = { ...record, disputed: false };
      const answer = await write(store, recordKey, stored.version, next, keptForMs(next));
      if (answer.written) return record;
      stored = answer.record;
    }
    if (stored === undefined) return undefined;
  } finally {
    calls.close();
  }
  throw new OutcomeUnknownError(`the record "${recordKey}" changed faster than it could be written: try again`);
}
