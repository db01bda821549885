import type { Records, RecordWrite, StoredRecord } from '../../core/records.js';

interface Written {
  readonly value: string;
  readonly version: string;
  readonly writtenAtMs: number;
  readonly expiresAtMs: number | undefined;
}

/** Records with compare-and-set in a map. Their time is the process's wall clock. */
export class MemoryRecords implements Records {
  readonly #written = new Map<string, Written>();
  #version = 0;

  async get(key: string): Promise<StoredRecord | undefined> {
    return this.#find(key, Date.now());
  }

  async create(key: string, value: string, ttlMs: number | undefined): Promise<RecordWrite> {
    return this.#write(key, undefined, value, ttlMs);
  }

  async compareAndSet(key: string, version: string, value: string, ttlMs: number | undefined): Promise<RecordWrite> {
    return this.#write(key, version, value, ttlMs);
  }

  async *list(prefix: string): AsyncGenerator<StoredRecord> {
    for (const key of [...this.#written.keys()]) {
      const record = key.startsWith(prefix) ? this.#find(key, Date.now()) : undefined;
      if (record !== undefined) yield record;
    }
  }

  /** @param over the version that is to be replaced; undefined: there must be none */
  #write(key: string, over: string | undefined, value: string, ttlMs: number | undefined): RecordWrite {
    const now = Date.now();
    const found = this.#find(key, now);
    if (found?.version !== over) return { written: false, record: found };
    this.#version += 1;
    const expiresAtMs = ttlMs === undefined ? undefined : now + ttlMs;
    this.#written.set(key, { value, version: String(this.#version), writtenAtMs: now, expiresAtMs });
    return { written: true, record: this.#find(key, now) };
  }

  #find(key: string, now: number): StoredRecord | undefined {
    const found = this.#written.get(key);
    if (found === undefined) return undefined;
    const { value, version, writtenAtMs, expiresAtMs } = found;
    if (expiresAtMs === undefined || expiresAtMs > now) {
      return { key, value, version, storeTimeMs: now, expiresAtMs, ageMs: Math.max(0, now - writtenAtMs) };
    }
    this.#written.delete(key);
    return undefined;
  }
}
