import type { Background } from '../core/background.js';
import type { Calls } from '../core/calls.js';
import type { Emitter } from '../core/events.js';
import type { Records, RecordWrite, StoredRecord } from '../core/records.js';
import type { IdempotencyEvent, IdempotencyEvents } from './events.js';
import type { Liveness } from './liveness.js';
import type { Settings } from './options.js';
import { formatRecord, type IdempotencyRecord, type RequestIdentity } from './record.js';

/** What one instance works with. */
export interface Context {
  readonly records: Records<never>;
  readonly settings: Settings;
  readonly calls: Calls;
  readonly background: Background;
  readonly emitter: Emitter<IdempotencyEvents>;
  readonly liveness: Liveness;
  readonly node: string;
}

/** What a call to the records needs. */
export interface Store {
  readonly records: Pick<Records<never>, 'get' | 'create' | 'compareAndSet'>;
  readonly calls: Calls;
  readonly settings: Pick<Settings, 'callTimeoutMs'>;
}

/** Every call with a deadline of its own. @throws OutcomeUnknownError after it; what the store throws */
export function read({ calls, records, settings }: Store, key: string): Promise<StoredRecord | undefined> {
  return calls.promise(settings.callTimeoutMs, 'reading an idempotency record', () => records.get(key));
}

/**
 * Over that version, or where there is none.
 *
 * @throws OutcomeUnknownError after its deadline; what the store throws
 */
export function write(
  { calls, records, settings }: Store,
  key: string,
  over: string | undefined,
  record: IdempotencyRecord,
  keepMs: number | undefined,
  timeoutMs = settings.callTimeoutMs,
): Promise<RecordWrite> {
  const text = formatRecord(record);
  return calls.promise(timeoutMs, 'writing an idempotency record', () =>
    over === undefined ? records.create(key, text, keepMs) : records.compareAndSet(key, over, text, keepMs),
  );
}

/** Only what is decided has an end: what is not, or is disputed, is neither expired nor evicted. */
export function keptForMs({ state, ttlMs, disputed }: IdempotencyRecord): number | undefined {
  return (state === 'COMPLETED' || state === 'FAILED') && !disputed ? ttlMs : undefined;
}

export function eventOf(
  asked: RequestIdentity & { readonly recordKey: string },
  record?: Pick<IdempotencyRecord, 'attempt' | 'fence'>,
): IdempotencyEvent {
  const { operation, namespace, tenant, recordKey } = asked;
  return {
    operation,
    namespace,
    recordKey,
    ...(tenant === undefined ? {} : { tenant }),
    ...(record === undefined ? {} : { attempt: record.attempt, fence: record.fence }),
  };
}
