import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { systemPorts } from '../../core/clock.js';
import { BackendCorruptError, InvalidArgumentError, LimitExceededError } from '../../core/errors.js';
import { encodeName, decodeName, parseName } from '../../core/name.js';
import { unlessDamaged } from '../../core/record-list.js';
import type { Records, RecordWrite, StoredRecord } from '../../core/records.js';
import { verdictOf } from './errors.js';
import { Keys } from './keys.js';
import { isAbsent, type KeyValue, lock, look, lookBelow, type Op, removeAt, set } from './ops.js';
import { type ConsulOptions, parseOptions } from './options.js';
import { Rpc } from './rpc.js';
import { RecordSessions } from './record-sessions.js';

export interface ConsulRecords extends Records {
  close(): Promise<void>;
}

/** What Consul takes in one key (512 KiB), less what the record adds; in the encoding in which it is sent. */
const valueBytesMax = 360_000;
/** The longest time of a session. */
const ttlMsMax = 86_400_000;
const stepsMax = 4;

/** As it stands in Consul. The id of a write is how it is known again when its reply was lost. */
interface Stored {
  readonly holdfast: 1;
  readonly id: string;
  readonly value: string;
  readonly writtenAtMs: number;
  readonly expiresAtMs: number | undefined;
}

/**
 * Records with compare-and-set in Consul. Their time is kept by sessions that nobody renews, so that all agree whether a record is over: it
 * ends with its session, which Consul ends late, by as much as the time again, never before ten seconds, and never early.
 * Consul tells no time: the times that are told are the writer's, and the reader's within the bounds of what the store has.
 *
 * Methods throw InvalidArgumentError for a key of more than 512 bytes and for a time of more than a day, LimitExceededError for a value of more than some
 * 360 KB, BackendUnavailableError, OutcomeUnknownError, BackendCorruptError and, after `close`, ClosedError.
 *
 * @throws InvalidArgumentError
 */
export function consulRecords(options: ConsulOptions): ConsulRecords {
  const settings = parseOptions(options);
  const rpc = new Rpc(settings, systemPorts());
  const records = new StoredRecords(rpc, new Keys(settings.prefix), new RecordSessions(rpc), settings);
  return Object.assign(records, { close: async () => rpc.close() });
}

/** The records that a connection reaches, which stays the caller's. */
export class StoredRecords implements Records {
  readonly ttlMsMax = ttlMsMax;
  readonly #rpc: Rpc;
  readonly #keys: Keys;
  readonly #sessions: RecordSessions;
  readonly #timeoutMs: number;

  constructor(rpc: Rpc, keys: Keys, sessions: RecordSessions, { commandTimeoutMs }: { readonly commandTimeoutMs: number }) {
    this.#rpc = rpc;
    this.#keys = keys;
    this.#sessions = sessions;
    this.#timeoutMs = commandTimeoutMs;
  }

  async get(key: string): Promise<StoredRecord | undefined> {
    return recordOf(await this.#read(this.#keyOf(key)), key);
  }

  create(key: string, value: string, ttlMs: number | undefined): Promise<RecordWrite> {
    return this.#write(key, undefined, value, ttlMs);
  }

  async compareAndSet(key: string, version: string, value: string, ttlMs: number | undefined): Promise<RecordWrite> {
    const index = /^[1-9]\d{0,15}$/.test(version) ? Number(version) : undefined;
    // No version of ours: only what stands there is told.
    if (index === undefined) return { written: false, record: await this.get(key) };
    return this.#write(key, index, value, ttlMs);
  }

  /** In one answer: Consul has no pages. */
  async *list(prefix: string): AsyncGenerator<StoredRecord> {
    const below = lookBelow(this.#keys.recordsStartingWith(prefix));
    const answer = await this.#rpc.txn('listing records', [below], this.#timeoutMs, undefined, true);
    for (const kv of answer.ok ? answer.kvs : []) {
      const key = this.#keys.recordKey(kv.key);
      const record = key.startsWith(prefix) ? await unlessDamaged(() => recordOf(kv, key)) : undefined;
      if (record !== undefined) yield record;
    }
  }

  /** @param over the version that is to be replaced; undefined: there must be none */
  async #write(key: string, over: number | undefined, value: string, ttlMs: number | undefined): Promise<RecordWrite> {
    const at = this.#keyOf(key);
    const stored = storedOf(value, ttlMs);
    const text = JSON.stringify(stored);
    if (Buffer.byteLength(text) > valueBytesMax) {
      throw new LimitExceededError(`a record in Consul may take ${valueBytesMax} bytes: keep large values elsewhere`);
    }
    let found: KeyValue | undefined;
    for (let steps = 0; steps < stepsMax; steps++) {
      const before = over === undefined ? [isAbsent(at)] : removeAt({ key: at, modifyIndex: over });
      const kvs = await this.#inSession(ttlMs, (session) => [
        ...before,
        session === undefined ? set(at, text) : lock(at, session, text),
      ]);
      const written = kvs?.findLast((kv) => kv.key === at);
      if (written !== undefined) return { written: true, record: shown(stored, key, written.modifyIndex) };
      found = await this.#read(at);
      if (found !== undefined && parse(found)?.id === stored.id) {
        return { written: true, record: shown(stored, key, found.modifyIndex) };
      }
      // It went away between the write and the look.
      if (over !== undefined || found !== undefined) break;
    }
    return { written: false, record: recordOf(found, key) };
  }

  async #inSession(ttlMs: number | undefined, ops: (session: string | undefined) => readonly Op[]) {
    for (let tries = 1; ; tries++) {
      const session = ttlMs === undefined ? undefined : await this.#sessions.for(ttlMs, this.#timeoutMs);
      try {
        const answer = await this.#rpc.txn('writing a record', ops(session), this.#timeoutMs);
        return answer.ok ? answer.kvs : undefined;
      } catch (error) {
        if (verdictOf(error) !== 'session-gone' || tries === 3) throw error;
        this.#sessions.forget();
      }
    }
  }

  async #read(at: string): Promise<KeyValue | undefined> {
    const answer = await this.#rpc.txn('reading a record', [look(at)], this.#timeoutMs, undefined, true);
    return answer.ok ? answer.kvs[0] : undefined;
  }

  #keyOf(key: string): string {
    return this.#keys.record(parseName(key));
  }
}

function storedOf(value: string, ttlMs: number | undefined): Stored {
  checkTtl(ttlMs);
  const writtenAtMs = Date.now();
  const expiresAtMs = ttlMs === undefined ? undefined : writtenAtMs + Math.ceil(ttlMs);
  return { holdfast: 1, id: randomBytes(12).toString('base64url'), value: encodeName(value), writtenAtMs, expiresAtMs };
}

function recordOf(kv: KeyValue | undefined, key: string): StoredRecord | undefined {
  if (kv === undefined) return undefined;
  const stored = parse(kv);
  if (stored === undefined) {
    throw new BackendCorruptError(
      `Consul: the key ${kv.key} holds no record of this library: find out who wrote it, and delete it`,
    );
  }
  return shown(stored, key, kv.modifyIndex);
}

/** The store has it, so its time is not over, whatever this machine's clock says; and it was written before it was read. */
function shown({ value, writtenAtMs, expiresAtMs }: Stored, key: string, index: number): StoredRecord {
  const latestMs = expiresAtMs === undefined ? Number.POSITIVE_INFINITY : expiresAtMs - 1;
  const storeTimeMs = Math.min(Math.max(Date.now(), writtenAtMs), latestMs);
  return { key, value: decodeName(value), version: String(index), storeTimeMs, expiresAtMs };
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
  throw new InvalidArgumentError(
    `the ttlMs of a record in Consul must be more than 0 and at most ${ttlMsMax}, the longest time of a session, or undefined, not ${ttlMs}`,
  );
}
