/**
 * The second port of a store: small records with compare-and-set, for state machines that must not lose a transition.
 * Times are the store's own, so that no two machines' clocks are compared.
 */
export interface Records<Transaction = never> {
  /** The longest time that a record can have, where that is days; a record without a time is kept anyway. */
  readonly ttlMsMax?: number;
  /** The record, or undefined if there is none or its time is over. */
  get(key: string): Promise<StoredRecord | undefined>;
  /** Writes it if there is none. Answers the record that stands there now, and whether it is the one just written. */
  create(key: string, value: string, ttlMs: number | undefined): Promise<RecordWrite>;
  /** Writes it if the version is still `version`. Answers what stands there now. */
  compareAndSet(key: string, version: string, value: string, ttlMs: number | undefined): Promise<RecordWrite>;
  /**
   * Records whose key starts with `prefix`, in no order; of very many one may come twice. What is written meanwhile may be missed; what is damaged is left out, and `get` tells of it.
   * Some stores read all that they have for it.
   */
  list?(prefix: string): AsyncIterable<StoredRecord>;
  /**
   * The same records inside a transaction of the caller, where the store is a database that has them: what it writes comes true when that commits, and
   * nobody else writes them before it ends.
   */
  in?(tx: Transaction): Pick<Records, 'get' | 'compareAndSet'>;
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
  /**
   * How long ago this version was written, by one clock of the store's own. Undefined where there is none that all readers share: then only a
   * reader that saw a version stand unchanged knows how old it is at least.
   */
  readonly ageMs?: number | undefined;
}

export interface RecordWrite {
  readonly written: boolean;
  /** Undefined only where `compareAndSet` found nothing. */
  readonly record: StoredRecord | undefined;
}
