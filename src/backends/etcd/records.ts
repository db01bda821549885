import { randomBytes } from 'node:crypto';
import { systemPorts } from '../../core/clock.js';
import { BackendCorruptError, InvalidArgumentError } from '../../core/errors.js';
import { parseName } from '../../core/name.js';
import { unlessDamaged } from '../../core/record-list.js';
import type { Records, RecordWrite, StoredRecord } from '../../core/records.js';
import { isModifiedAt } from './compares.js';
import { verdictOf } from './errors.js';
import { Keys } from './keys.js';
import { Leases } from './leases.js';
import { keysBelow } from './listing.js';
import { range, txn } from './methods.js';
import { type EtcdOptions, parseOptions } from './options.js';
import { Rpc } from './rpc.js';
import type { KeyValue } from './wire/messages.js';

export interface EtcdRecords extends Records {
  close(): Promise<void>;
}

/** Thirty years: etcd's leases may be longer, but not by much. */
const ttlMsMax = 1e12;

/** Writes that others may have made over ours before we look: more in the time of one call would be strange. */
const stepsMax = 64;

/** What stands in a key. `id`: of the write, so that it is known again when its reply was lost. */
interface Stored {
  readonly holdfast: 1;
  readonly id: string;
  readonly value: string;
  readonly writtenAtMs: number;
  readonly expiresAtMs: number | undefined;
}

/**
 * Records with compare-and-set in etcd. Their time is kept by leases, so that all agree whether a record is over: it ends
 * with its lease, which is late by at most a twentieth of the time and some seconds, and never early.
 * etcd has no clock: the times that are told are the writer's, and the reader's within the bounds of what the store has.
 *
 * Methods throw InvalidArgumentError for a key of more than 512 bytes, BackendUnavailableError, OutcomeUnknownError,
 * BackendCorruptError and, after `close`, ClosedError.
 *
 * @throws InvalidArgumentError
 */
export function etcdRecords(options: EtcdOptions): EtcdRecords {
  const settings = parseOptions(options);
  const rpc = new Rpc(settings, systemPorts());
  const records = new StoredRecords(rpc, new Keys(settings.prefix), new Leases(rpc, settings.commandTimeoutMs), settings);
  return Object.assign(records, { close: async () => rpc.close() });
}

/** The records that a connection reaches, which stays the caller's. */
export class StoredRecords implements Records {
  readonly #rpc: Rpc;
  readonly #keys: Keys;
  readonly #leases: Leases;
  readonly #timeoutMs: number;

  constructor(rpc: Rpc, keys: Keys, leases: Leases, { commandTimeoutMs }: { readonly commandTimeoutMs: number }) {
    this.#rpc = rpc;
    this.#keys = keys;
    this.#leases = leases;
    this.#timeoutMs = commandTimeoutMs;
  }

  async get(key: string): Promise<StoredRecord | undefined> {
    const { kvs } = await this.#rpc.call(range, { key: this.#keyOf(key) }, this.#timeoutMs);
    return recordOf(kvs[0], key);
  }

  create(key: string, value: string, ttlMs: number | undefined): Promise<RecordWrite> {
    return this.#write(key, 0, value, ttlMs);
  }

  async compareAndSet(key: string, version: string, value: string, ttlMs: number | undefined): Promise<RecordWrite> {
    const revision = /^[1-9]\d{0,15}$/.test(version) ? Number(version) : undefined;
    // No version of ours: only what stands there is told.
    if (revision === undefined) return { written: false, record: await this.get(key) };
    return this.#write(key, revision, value, ttlMs);
  }

  async *list(prefix: string): AsyncGenerator<StoredRecord> {
    const at = { rpc: this.#rpc, keys: this.#keys, commandTimeoutMs: this.#timeoutMs };
    for await (const kv of keysBelow(at, prefix)) {
      const key = this.#keys.recordKey(kv.key);
      const record = key?.startsWith(prefix) === true ? await unlessDamaged(() => recordOf(kv, key)) : undefined;
      if (record !== undefined) yield record;
    }
  }

  async #write(key: string, before: number, value: string, ttlMs: number | undefined): Promise<RecordWrite> {
    checkTtl(ttlMs);
    const at = this.#keyOf(key);
    const writtenAtMs = Date.now();
    const expiresAtMs = ttlMs === undefined ? undefined : writtenAtMs + Math.ceil(ttlMs);
    const stored: Stored = { holdfast: 1, id: randomBytes(12).toString('base64url'), value, writtenAtMs, expiresAtMs };
    const text = JSON.stringify(stored);
    const noted = { uncertain: false };
    const { succeeded, header, responses } = await this.#withLease(ttlMs, (lease) =>
      this.#rpc.call(
        txn,
        {
          compare: [isModifiedAt(at, before)],
          success: [{ put: { key: at, value: text, lease } }],
          failure: [{ range: { key: at } }],
        },
        this.#timeoutMs,
        noted,
      ),
    );
    if (succeeded) return { written: true, record: shown(stored, key, header?.revision ?? 0) };
    const found = responses[0]?.range?.kvs[0];
    const own = noted.uncertain ? await this.#ownAmong(found, before, stored.id) : undefined;
    if (own !== undefined) return { written: true, record: shown(stored, key, own.modRevision) };
    // A record that was there to be compared, and is not: it is over.
    return { written: false, record: recordOf(found, key) };
  }

  async #withLease<T>(ttlMs: number | undefined, write: (lease: number) => Promise<T>): Promise<T> {
    if (ttlMs === undefined) return write(0);
    for (let tries = 1; ; tries++) {
      const { id } = await this.#leases.shared(ttlMs, this.#timeoutMs);
      try {
        return await write(id);
      } catch (error) {
        if (verdictOf(error) !== 'lease-gone' || tries === 2) throw error;
        this.#leases.forgetShared(ttlMs);
      }
    }
  }

  /** A write whose reply was lost may have been done, and others may have written over it since: the store remembers for a while. */
  async #ownAmong(newest: KeyValue | undefined, before: number, id: string): Promise<KeyValue | undefined> {
    let kv = newest;
    for (let steps = 1; kv !== undefined && kv.modRevision > before && steps <= stepsMax; steps++) {
      if (parse(kv)?.id === id) return kv;
      try {
        const { kvs } = await this.#rpc.call(range, { key: kv.key, revision: kv.modRevision - 1 }, this.#timeoutMs);
        kv = kvs[0];
      } catch (error) {
        if (verdictOf(error) === 'compacted') return undefined;
        throw error;
      }
    }
    return undefined;
  }

  #keyOf(key: string): string {
    return this.#keys.of(parseName(key)).record;
  }
}

function recordOf(kv: KeyValue | undefined, key: string): StoredRecord | undefined {
  if (kv === undefined) return undefined;
  const stored = parse(kv);
  if (stored === undefined) {
    throw new BackendCorruptError(`the key ${kv.key} holds no record of this library: find out who wrote it, and delete it`);
  }
  return shown(stored, key, kv.modRevision);
}

/** The store has it, so its time is not over, whatever this machine's clock says; and it was written before it was read. */
function shown({ value, writtenAtMs, expiresAtMs }: Stored, key: string, revision: number): StoredRecord {
  const latestMs = expiresAtMs === undefined ? Number.POSITIVE_INFINITY : expiresAtMs - 1;
  const storeTimeMs = Math.min(Math.max(Date.now(), writtenAtMs), latestMs);
  return { key, value, version: String(revision), storeTimeMs, expiresAtMs };
}

function parse({ value }: KeyValue): Stored | undefined {
  try {
    const stored = JSON.parse(value) as Stored;
    return stored.holdfast === 1 && typeof stored.value === 'string' ? { ...stored, expiresAtMs: stored.expiresAtMs } : undefined;
  } catch {
    return undefined;
  }
}

function checkTtl(ttlMs: number | undefined): void {
  if (ttlMs === undefined || (ttlMs > 0 && ttlMs <= ttlMsMax)) return;
  throw new InvalidArgumentError(`the ttlMs of a record must be more than 0 and at most ${ttlMsMax}, or undefined, not ${ttlMs}`);
}
