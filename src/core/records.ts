/**
 * The second port of a store: small records with compare-and-set, for state machines that must not lose a transition.
 * Times are the store's own, so that no two machines' clocks are compared.
 */
export interface Records {
  /** The record, or undefined if there is none or its time is over. */
  get(key: string): Promise<StoredRecord | undefined>;
  /** Writes it if there is none. Answers the record that stands there now, and whether it is the one just written. */
  create(key: string, value: string, ttlMs: number | undefined): Promise<RecordWrite>;
  /** Writes it if the version is still `version`. Answers what stands there now. */
  compareAndSet(key: string, version: string, value: string, ttlMs: number | undefined): Promise<RecordWrite>;
}

export interface StoredRecord {
  readonly key: string;
  readonly value: string;
  /** Changes with every write; never reused for a key, also not after the record's time was over. */
  readonly version: string;
  /** The store's clock when the answer was made, in epoch milliseconds. */
  readonly storeTimeMs: number;
  /** By the store's clock; undefined: kept until it is changed. */
  readonly expiresAtMs: number | undefined;
}

export interface RecordWrite {
  readonly written: boolean;
  /** Undefined only where `compareAndSet` found nothing. */
  readonly record: StoredRecord | undefined;
}
