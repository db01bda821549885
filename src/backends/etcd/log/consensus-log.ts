import { duration } from '../../../core/checks.js';
import { systemPorts } from '../../../core/clock.js';
import { BackendUnavailableError, InvalidArgumentError, OutcomeUnknownError } from '../../../core/errors.js';
import { limits } from '../../../core/limits.js';
import type { DoneEntry, LogClaim, LogEntry, LogTurn, RequestLog, StartedEntry } from '../../../core/request-log.js';
import { isAbsent, isModifiedAt } from '../compares.js';
import { verdictOf } from '../errors.js';
import { Leases } from '../leases.js';
import { memberList, range, txn } from '../methods.js';
import { type EtcdOptions, parseOptions } from '../options.js';
import { Rpc } from '../rpc.js';
import type { Compare, KeyValue, Op } from '../wire/messages.js';
import { endOf, formatEntry, isEntry, LogKeys, padded, parseEntry } from './entries.js';
import { checkZones, type Zones } from './zones.js';

export interface ConsensusLogOptions extends EtcdOptions {
  /** In which availability zone each member of the cluster is, by its name. */
  readonly zones: Zones;
  /** How long entries stay after they were let go of. Default: a week. */
  readonly keepMs?: number;
  /** Keys of the log at which it is full. Default: 1,000,000. */
  readonly entriesMax?: number;
}

export interface ConsensusLog extends RequestLog {
  close(): Promise<void>;
}

/** Keys of one page, and of one transaction: members take 128 operations in one. */
const pageKeys = 1_000;
const opsMax = 50;
const takesMax = 16;
const membersMax = 16;
/** How old the number of entries may be by which the log is full. */
const countMs = 1_000;

interface Settings {
  readonly zones: Zones;
  readonly keepMs: number;
  readonly entriesMax: number;
  readonly timeoutMs: number;
}

/**
 * A log of requests in etcd: a key for each entry, whose position is the revision in which it was made. Each append is a transaction, which etcd answers when a
 * majority of the members has it. The map of zones is compared with the cluster's own list of members, now and whenever a reconciler tidies the log.
 *
 * @throws InvalidArgumentError if a zone has a majority of the voting members, or the map misses a member; BackendUnavailableError
 */
export async function consensusLog(options: ConsensusLogOptions): Promise<ConsensusLog> {
  const { zones, keepMs, entriesMax = limits.logEntriesMaxDefault, ...rest } = options ?? {};
  const etcd = parseOptions(rest as EtcdOptions);
  if (typeof zones !== 'object' || zones === null) {
    throw new InvalidArgumentError("consensusLog needs zones: { NAME: 'ZONE', … }, for each member of the cluster");
  }
  if (!Number.isInteger(entriesMax) || entriesMax < 1) {
    throw new InvalidArgumentError(`entriesMax is ${String(entriesMax)}: give a whole number of 1 or more`);
  }
  const settings: Settings = {
    zones: { ...zones },
    keepMs: duration('keepMs', keepMs, 1_000, limits.answerTtlMsMax) ?? limits.logKeepMsDefault,
    entriesMax,
    timeoutMs: etcd.commandTimeoutMs,
  };
  const log = new EtcdLog(new Rpc(etcd, systemPorts()), new LogKeys(etcd.prefix), settings);
  try {
    await log.checkZones();
    return log;
  } catch (error) {
    await log.close();
    throw error;
  }
}

class EtcdLog implements ConsensusLog {
  readonly #rpc: Rpc;
  readonly #keys: LogKeys;
  readonly #settings: Settings;
  readonly #leases: Leases;
  #counted: { readonly count: number; readonly atMs: number } | undefined;

  constructor(rpc: Rpc, keys: LogKeys, settings: Settings) {
    this.#rpc = rpc;
    this.#keys = keys;
    this.#settings = settings;
    this.#leases = new Leases(rpc, settings.timeoutMs);
  }

  async checkZones(): Promise<void> {
    checkZones(this.#settings.zones, await this.#members());
  }

  async started(entry: StartedEntry): Promise<void> {
    await this.#refuseIfFull();
    await this.#append({ kind: 'started', ...entry });
  }

  done(entry: DoneEntry): Promise<void> {
    return this.#append({ kind: 'done', ...entry });
  }

  async take(claim: LogClaim): Promise<LogTurn | undefined> {
    const { recordKey, term, fence } = claim;
    const termKey = this.#keys.term(recordKey);
    for (let tries = 0; tries < takesMax; tries++) {
      const found = (await this.#txn([], [{ range: { key: termKey } }])).responses[0]?.range?.kvs[0];
      if (found !== undefined && BigInt(found.value) > term) return undefined;
      const key = this.#keys.entry(recordKey, fence, 'taken');
      const { succeeded, header } = await this.#txn(
        [isModifiedAt(termKey, found?.modRevision ?? 0)],
        [{ put: { key: termKey, value: padded(term) } }, { put: { key, value: formatEntry({ kind: 'taken', ...claim }) } }],
      );
      if (!succeeded) continue;
      // After the term was written: what an older reconciler may still have appended is among them.
      return this.#turn(claim, header?.revision ?? 0, await this.#entries(recordKey));
    }
    throw new OutcomeUnknownError(`the log of "${recordKey}" changed faster than it could be taken: try again`);
  }

  async retire(isOver: (recordKey: string) => Promise<boolean>): Promise<number> {
    await this.checkZones();
    let retired = 0;
    for await (const group of this.#groups()) {
      const kept = group.filter(({ lease }) => lease === 0);
      const [first] = kept;
      if (first === undefined || !(await isOver(this.#keys.recordKeyOf(first.key)))) continue;
      for (let i = 0; i < kept.length; i += opsMax) await this.#letGo(kept.slice(i, i + opsMax));
      retired += 1;
    }
    return retired;
  }

  async close(): Promise<void> {
    this.#rpc.close();
  }

  /**
   * A member answers from what it knows itself, and one that is cut off would tell of a cluster that is no more. So the answer counts if the same member
   * has just answered a read as the majority has it: then it knows of all changes until there.
   */
  async #members() {
    const { timeoutMs } = this.#settings;
    for (let tries = 0; tries < membersMax; tries++) {
      const { header: read } = await this.#rpc.call(range, { key: this.#keys.root }, timeoutMs);
      const { header, members } = await this.#rpc.call(memberList, {}, timeoutMs);
      if (header !== undefined && header.memberId === read?.memberId) return members;
    }
    throw new BackendUnavailableError(
      'the members of etcd answer in turns, and none twice: give the members themselves as endpoints, not what stands before them',
    );
  }

  #turn(claim: LogClaim, revision: number, entries: readonly LogEntry[]): LogTurn {
    const { recordKey, fence } = claim;
    const termKey = this.#keys.term(recordKey);
    let appended = 0;
    return {
      entries,
      resolved: async (verdict, why) => {
        const key = this.#keys.entry(recordKey, fence, `resolved-${appended}`);
        const value = formatEntry({ kind: 'resolved', ...claim, verdict, why } as Omit<LogEntry, 'position'>);
        const { succeeded } = await this.#txn([isModifiedAt(termKey, revision)], [{ put: { key, value } }]);
        if (succeeded) appended += 1;
        return succeeded;
      },
    };
  }

  /** What is there already is a copy of the same entry: nobody else has this fence. */
  async #append(entry: ({ readonly kind: 'started' } & StartedEntry) | ({ readonly kind: 'done' } & DoneEntry)): Promise<void> {
    const key = this.#keys.entry(entry.recordKey, entry.fence, entry.kind);
    await this.#txn([isAbsent(key)], [{ put: { key, value: formatEntry(entry) } }]);
  }

  /** Of one request, in the order of the log, as a majority has them. */
  async #entries(recordKey: string): Promise<readonly LogEntry[]> {
    const key = this.#keys.request(recordKey);
    const { responses } = await this.#txn([], [{ range: { key, rangeEnd: endOf(key) } }]);
    const entries = (responses[0]?.range?.kvs ?? []).filter(isEntry).map(parseEntry);
    return entries.sort((a, b) => a.position - b.position);
  }

  #txn(compare: readonly Compare[], success: readonly Op[]) {
    return this.#rpc.call(txn, { compare, success, failure: [] }, this.#settings.timeoutMs);
  }

  /** @throws BackendUnavailableError */
  async #refuseIfFull(): Promise<void> {
    const nowMs = this.#rpc.ports.now().monotonicMs;
    if (this.#counted === undefined || nowMs - this.#counted.atMs > countMs) {
      const { root: key } = this.#keys;
      const { count } = await this.#rpc.call(range, { key, rangeEnd: endOf(key), countOnly: true }, this.#settings.timeoutMs);
      this.#counted = { count, atMs: nowMs };
    }
    const { entriesMax } = this.#settings;
    if (this.#counted.count < entriesMax) return;
    throw new BackendUnavailableError(
      `the log in etcd has ${this.#counted.count} entries, and at most ${entriesMax}: run a reconciler with this log, which lets go of what is over, and see that keepMs (${this.#settings.keepMs}), after which that is deleted, is not too long`,
      { full: true },
    );
  }

  /** All keys of the log, request by request. */
  async *#groups(): AsyncGenerator<readonly KeyValue[]> {
    const { root } = this.#keys;
    let key = root;
    let group: KeyValue[] = [];
    for (;;) {
      const page = await this.#rpc.call(range, { key, rangeEnd: endOf(root), limit: pageKeys }, this.#settings.timeoutMs);
      for (const kv of page.kvs) {
        if (group[0] !== undefined && this.#keys.recordKeyOf(group[0].key) !== this.#keys.recordKeyOf(kv.key)) {
          yield group;
          group = [];
        }
        group.push(kv);
      }
      const last = page.kvs.at(-1);
      if (!page.more || last === undefined) break;
      key = `${last.key}\0`;
    }
    if (group.length > 0) yield group;
  }

  /** Under a lease from now on, each as it was seen; their positions stay. */
  async #letGo(kvs: readonly KeyValue[]): Promise<void> {
    const { keepMs, timeoutMs } = this.#settings;
    const compare = kvs.map(({ key, modRevision }) => isModifiedAt(key, modRevision));
    for (let tries = 1; ; tries++) {
      const { id: lease } = await this.#leases.shared(keepMs, timeoutMs);
      const puts = kvs.map(({ key, value }) => ({ put: { key, value, lease } }));
      try {
        await this.#txn(compare, puts);
        return;
      } catch (error) {
        // Revoked by somebody: another one serves as well.
        if (verdictOf(error) !== 'lease-gone' || tries === 2) throw error;
        this.#leases.forgetShared(keepMs);
      }
    }
  }
}
