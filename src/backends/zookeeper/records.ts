import { Buffer } from 'node:buffer';
import { randomUUID } from 'node:crypto';
import { Calls } from '../../core/calls.js';
import { systemPorts } from '../../core/clock.js';
import { BackendCorruptError, InvalidArgumentError, LimitExceededError, OutcomeUnknownError } from '../../core/errors.js';
import { limits } from '../../core/limits.js';
import { decodeName, encodeName, parseName } from '../../core/name.js';
import { recordsAt } from '../../core/record-list.js';
import type { Records, RecordWrite, StoredRecord } from '../../core/records.js';
import { type ClientFactory, codes, long, type OpResult, type Stat } from './client.js';
import { closed } from './errors.js';
import { Operation } from './operation.js';
import { parseOptions, type Settings, type ZooKeeperOptions } from './options.js';
import { Paths, segmentOf } from './paths.js';
import { RecordSweep } from './record-sweep.js';
import { Sessions } from './sessions.js';

export interface ZooKeeperRecords extends Records {
  close(): Promise<void>;
}

interface Written {
  /** Of the write: tells one's own after a reply was lost. */
  readonly id: string;
  readonly ttlMs: number | null;
  readonly value: string;
}

interface Found {
  readonly node: { readonly written: Written; readonly stat: Stat } | undefined;
  readonly nowMs: number;
}

/** Below what servers take by default, whatever else the request says. */
const bytesMax = 1_000_000;
const triesMax = 64;

/**
 * Records with compare-and-set in ZooKeeper. The store's time is the leader's clock. To learn it, each reading writes to a node
 * of its own first; so no reading is answered by a server that has been left behind.
 *
 * Methods throw InvalidArgumentError for a key of more than 512 bytes, LimitExceededError for a value of nearly a megabyte,
 * BackendUnavailableError, OutcomeUnknownError, BackendCorruptError and, after `close`, ClosedError.
 *
 * @throws InvalidArgumentError
 */
export function zookeeperRecords(open: ClientFactory, options?: ZooKeeperOptions): ZooKeeperRecords {
  const settings = parseOptions(options);
  const calls = new Calls(systemPorts());
  const sessions = new Sessions(open, calls, () => {});
  const records = recordsIn(sessions, calls, settings);
  return {
    ...records,
    async close() {
      records.close();
      await sessions.close();
      calls.close();
    },
  };
}

/** The records that sessions reach, which stay the caller's; `close` ends the tidying only. */
export function recordsIn(sessions: Sessions, calls: Calls, settings: Settings): Records & { close(): void } {
  const paths = new Paths(settings.root);
  const operation = (doing: string) => new Operation(sessions.any(), calls, settings.commandTimeoutMs, doing, settings.acl);
  const sweep = new RecordSweep(
    paths,
    () => operation('tidying'),
    (data, stat, path) => endOf(readData(data, path), stat),
  );
  let isClosed = false;
  const at = (key: string, doing: string): RecordAt => {
    if (isClosed) throw closed();
    const { encoded } = parseName(key);
    return new RecordAt(operation(`${doing} a record`), paths, key, `${paths.records}/${segmentOf(encoded)}`);
  };
  async function* keysBelow(prefix: string): AsyncGenerator<readonly string[]> {
    if (isClosed) throw closed();
    const all = await operation('listing records').children(paths.records);
    yield (all?.children ?? []).map((segment) => Paths.nameOf(segment)).filter((key) => key.startsWith(prefix));
  }
  return {
    get: async (key) => at(key, 'reading').get(),
    async create(key, value, ttlMs) {
      sweep.perhaps();
      return at(key, 'creating').write(value, ttlMs, undefined);
    },
    compareAndSet: async (key, version, value, ttlMs) => at(key, 'changing').write(value, ttlMs, version),
    list: (prefix) => recordsAt(keysBelow(prefix), (key) => at(key, 'listing').get()),
    close() {
      isClosed = true;
      sweep.close();
    },
  };
}

/** One call about one record. */
class RecordAt {
  readonly #operation: Operation;
  readonly #paths: Paths;
  readonly #key: string;
  readonly #path: string;

  constructor(operation: Operation, paths: Paths, key: string, path: string) {
    this.#operation = operation;
    this.#paths = paths;
    this.#key = key;
    this.#path = path;
  }

  async get(): Promise<StoredRecord | undefined> {
    return this.#standing(await this.#find());
  }

  /** @param version none: only if there is no record */
  async write(value: string, ttlMs: number | undefined, version: string | undefined): Promise<RecordWrite> {
    checkTtl(ttlMs);
    // Control characters and halves of surrogate pairs would not all come back.
    const written: Written = { id: randomUUID(), ttlMs: ttlMs ?? null, value: encodeName(value) };
    const data = Buffer.from(JSON.stringify(written));
    if (data.length > bytesMax)
      throw new LimitExceededError(
        `a record may take ${bytesMax} bytes, this one takes ${data.length}: store it elsewhere, and its place here`,
      );
    for (let tries = 0; tries < triesMax; tries++) {
      const found = await this.#find();
      if (found.node?.written.id === written.id)
        return { written: true, record: this.#told(found.node.written, found.node.stat, found.nowMs) };
      const record = this.#standing(found);
      if (record?.version !== version) return { written: false, record };
      const stat = await this.#put(data, found);
      if (stat !== undefined) return { written: true, record: this.#told(written, stat, timeOf(stat)) };
    }
    throw new OutcomeUnknownError(`the record "${this.#key}" changed faster than it could be written: try again`);
  }

  /** Undefined if it has changed meanwhile, or nobody knows; the next look tells. */
  async #put(data: Buffer, { node }: Found): Promise<Stat | undefined> {
    try {
      const answer = await this.#operation.commit((steps) => {
        if (node === undefined) steps.create(this.#path, 'persistent').touch(this.#path, data);
        else steps.write(this.#path, node.stat.version, data);
      });
      return answer.done ? (answer.results.at(-1) as OpResult).stat : undefined;
    } catch (error) {
      if (!(error instanceof OutcomeUnknownError) || this.#operation.leftMs <= 0) throw error;
      this.#operation.hasWritten = true;
      return undefined;
    }
  }

  /** What stands there, as of a moment of the store's own time. */
  async #find(): Promise<Found> {
    for (;;) {
      const [clock, node] = await this.#operation.both((steps) => steps.touch(this.#paths.clock), this.#path);
      // Members of an ensemble show a transaction's steps one by one: it is made empty, and then written.
      if (clock.done && node?.data.length === 0) continue;
      if (clock.done) {
        const nowMs = timeOf((clock.results[0] as OpResult).stat as Stat);
        return { node: node === undefined ? undefined : { written: readData(node.data, this.#path), stat: node.stat }, nowMs };
      }
      if (clock.code !== codes.noNode) throw new BackendCorruptError(`the node ${this.#paths.clock} cannot be written to`);
      await this.#operation.makePath(this.#paths.records);
      await this.#operation.makePath(this.#paths.clock);
    }
  }

  #standing({ node, nowMs }: Found): StoredRecord | undefined {
    if (node === undefined) return undefined;
    const end = endOf(node.written, node.stat);
    return end !== undefined && end <= nowMs ? undefined : this.#told(node.written, node.stat, nowMs);
  }

  #told(written: Written, stat: Stat, nowMs: number): StoredRecord {
    return {
      key: this.#key,
      value: decodeName(written.value),
      version: String(long(stat.mzxid)),
      storeTimeMs: Math.max(nowMs, timeOf(stat)),
      expiresAtMs: endOf(written, stat),
      ageMs: Math.max(0, nowMs - timeOf(stat)),
    };
  }
}

function endOf({ ttlMs }: Written, stat: Stat): number | undefined {
  return ttlMs === null ? undefined : timeOf(stat) + ttlMs;
}

function timeOf({ mtime }: Stat): number {
  return Number(long(mtime));
}

function readData(data: Buffer, path: string): Written {
  try {
    const written = JSON.parse(data.toString()) as Written;
    if (typeof written.value !== 'string' || typeof written.id !== 'string') throw new TypeError('other fields');
    return written;
  } catch (cause) {
    throw new BackendCorruptError(`the node ${path} holds no record: find out who wrote it, and delete it`, { cause });
  }
}

function checkTtl(ttlMs: number | undefined): void {
  if (ttlMs === undefined || (ttlMs > 0 && ttlMs <= Number.MAX_SAFE_INTEGER / 2)) return;
  throw new InvalidArgumentError(
    `the ttlMs of a record must be more than 0, or undefined, not ${ttlMs}: ${limits.ttlMsMin} at least makes sense`,
  );
}
