import type { Grant, LockRecord, Revocation, Revoker } from '../../core/backend.js';
import { callTimeoutMs } from '../../core/calls.js';
import { OutcomeUnknownError } from '../../core/errors.js';
import { limits } from '../../core/limits.js';
import type { LockName } from '../../core/name.js';
import { isAbsent, isOlder, isSince } from './compares.js';
import type { EpochKey } from './epoch.js';
import { unsettled, verdictOf } from './errors.js';
import type { NameKeys } from './keys.js';
import { txn } from './methods.js';
import { confirm, opsMax } from './renewing.js';
import { type Seat, strangersLease } from './seats.js';
import { startOver } from './starting-over.js';
import type { Store } from './store.js';
import { fencesIn, fencesOf, holdText, lockRecord } from './values.js';
import { type View, viewOf, viewOps } from './view.js';
import type { Compare, KeyValue, Op } from './wire/messages.js';

/** So many holders are ended by one transaction: each has a hold, a place and a mark. More are readers, and take several. */
const endedAtOnce = Math.floor(opsMax / 3) - 2;

/** Thieves may disturb each other; each time at least one of them is through. */
const triesMax = 100;

/** One revocation: what holds is read, and ended if nobody has come meanwhile. */
export class Revoking {
  readonly #store: Store;
  readonly #name: LockName;
  readonly #by: Revoker;
  readonly #keys: NameKeys;
  readonly #heirId: string;
  readonly #seat: Seat | undefined;
  readonly #dueMs: number;
  readonly #ended: LockRecord[] = [];
  readonly #noted = { uncertain: false };
  /** Whom the last transaction was to end. */
  #attempted: readonly KeyValue[] = [];

  constructor(store: Store, name: LockName, by: Revoker) {
    const { heir } = by;
    this.#store = store;
    this.#name = name;
    this.#by = by;
    this.#keys = store.keys.of(name);
    this.#seat = heir === undefined ? undefined : store.seats.of(heir.owner, heir.ttlMs);
    this.#heirId = this.#seat?.id ?? '-';
    const timeoutMs = heir === undefined ? store.commandTimeoutMs : callTimeoutMs(store.commandTimeoutMs, heir.ttlMs);
    this.#dueMs = store.rpc.ports.now().monotonicMs + timeoutMs;
  }

  async run(): Promise<Revocation> {
    const seat = this.#seat;
    if (seat !== undefined) seat.users += 1;
    try {
      for (let tries = 1; tries <= triesMax; tries++) {
        const done = await this.#try(await this.#read());
        if (done !== undefined) return done;
      }
      throw new OutcomeUnknownError(`"${this.#name.text}" changes hands too fast to be revoked: try again`);
    } catch (error) {
      throw this.#noted.uncertain || seat?.held === true ? unsettled(error) : error;
    } finally {
      if (this.#noted.uncertain && seat !== undefined) seat.uncertain = true;
      if (seat !== undefined) {
        seat.users -= 1;
        if (seat.users === 0 && !seat.held && !seat.uncertain) this.#store.seats.over(seat);
      }
    }
  }

  /** Undefined if it must be looked again. */
  async #try(view: View | undefined): Promise<Revocation | undefined> {
    const { heir } = this.#by;
    if (view === undefined) return undefined;
    this.#settle(view.holders);
    if (heir !== undefined && view.isEnded) return { ended: [] };
    const own = heir === undefined ? undefined : this.#keys.hold(heir.mode, this.#heirId);
    const already = view.holders.find(({ key }) => key === own);
    if (already !== undefined) return this.#again(already);
    const holders = this.#toEnd(view.holders);
    const batch = holders.slice(0, endedAtOnce);
    const isLast = batch.length === holders.length;
    if (batch.length === 0 && heir === undefined) return { ended: this.#ended };
    const revision = view.header?.revision ?? 0;
    const askedAt = this.#store.rpc.ports.now();
    try {
      const inherit = heir !== undefined && isLast ? await this.#inherit() : undefined;
      const marks = await this.#store.leases.shared(limits.tombstoneMs, this.#leftMs());
      const success = [...batch.flatMap((kv) => this.#end(kv, marks.id)), ...(inherit?.ops ?? [])];
      const compare = [
        // Whoever came since would be robbed unseen.
        isOlder(this.#keys.held, revision),
        ...this.#isStillThere(holders),
        ...(heir === undefined ? [] : [isAbsent(this.#keys.mark(this.#heirId)), isAbsent(own ?? '')]),
        ...(inherit === undefined ? [] : [this.#store.epoch.isStill(inherit.epoch)]),
      ];
      const { highest } = this.#store.epoch;
      this.#attempted = batch;
      const { succeeded, responses, header } = await this.#store.rpc.call(
        txn,
        { compare, success, failure: [] },
        this.#leftMs(),
        this.#noted,
      );
      if (!succeeded) {
        this.#store.epoch.forget();
        return undefined;
      }
      if (inherit !== undefined && this.#seat !== undefined && this.#store.epoch.wentBack(header, highest)) {
        await this.#startOver(this.#seat, own ?? '', inherit.epoch);
        return undefined;
      }
      const ended = responses.flatMap((answer) => answer.delete?.previous ?? []);
      this.#note(ended);
      this.#settle(ended);
      if (!isLast) return undefined;
      if (inherit === undefined || heir === undefined || this.#seat === undefined) return { ended: this.#ended };
      this.#store.seats.granted(this.#seat);
      const fences = fencesOf(inherit.epoch.value, header?.revision ?? 0, heir.fences);
      const grant: Grant = { outcome: 'granted', fences, ttlMs: Math.min(heir.ttlMs, inherit.lease.leftMs(askedAt)) };
      return { ended: this.#ended, grant };
    } catch (error) {
      if (verdictOf(error) !== 'lease-gone') throw error;
      this.#store.leases.forgetShared(limits.tombstoneMs);
      if (this.#seat !== undefined) this.#seat.lease = undefined;
      return undefined;
    }
  }

  /** Readers stay when the one that it is about has left since. @param holders the one that it is about comes last */
  #isStillThere(holders: readonly KeyValue[]): readonly Compare[] {
    const meant = this.#by.ifFence === undefined ? undefined : holders.at(-1);
    return meant === undefined ? [] : [isSince(meant.key, meant.createRevision)];
  }

  /** None if the hold that it is about is not there. That one comes last: of many, each transaction finds it still there. */
  #toEnd(holders: readonly KeyValue[]): readonly KeyValue[] {
    const { ifFence } = this.#by;
    if (ifFence === undefined) return holders;
    const meant = holders.find((kv) => this.#recordOf(kv)?.fence === ifFence);
    return meant === undefined ? [] : [...holders.filter((kv) => kv !== meant), meant];
  }

  #end({ key }: KeyValue, lease: number): readonly Op[] {
    const parts = this.#store.keys.parse(key);
    if (parts === undefined) return [{ delete: { key, previous: true } }];
    const { kind, reason } = this.#by;
    return [
      { delete: { key, previous: true } },
      { delete: { key: this.#keys.place(parts.mode, parts.id) } },
      { put: { key: this.#keys.mark(parts.id), value: JSON.stringify({ kind, reason }), lease } },
    ];
  }

  async #inherit() {
    const { heir } = this.#by;
    if (heir === undefined || this.#seat === undefined) return undefined;
    const { seats, epoch: epochs } = this.#store;
    const epoch = await epochs.current(this.#leftMs());
    const lease = await seats.lease(this.#seat, this.#leftMs());
    const key = this.#keys.hold(heir.mode, this.#heirId);
    const ops: readonly Op[] = [{ put: { key, value: holdText(heir, epoch.value), lease: lease.id } }];
    return { ops, lease, epoch };
  }

  /** Told the same again: the heir is not robbed by its own second try. */
  async #again(kv: KeyValue): Promise<Revocation | undefined> {
    const { heir } = this.#by;
    const seat = this.#seat;
    if (heir === undefined || seat === undefined) return undefined;
    if (seat.lease?.id !== kv.lease) seat.lease = strangersLease(kv.lease, heir.ttlMs);
    const { lease } = seat;
    seat.held = true;
    const askedAt = this.#store.rpc.ports.now();
    const isSo = await confirm(this.#store, [{ key: kv.key, lease }], this.#leftMs());
    if (isSo.get(kv.key) === undefined) {
      seat.held = false;
      return undefined;
    }
    const grant: Grant = { outcome: 'granted', fences: fencesIn(kv), ttlMs: Math.min(heir.ttlMs, lease.leftMs(askedAt)) };
    return { ended: this.#ended, grant };
  }

  /** A copy whose reply was lost may have been done: then whoever it was to end is not among those who are left, or were ended now. */
  #settle(found: readonly KeyValue[]): void {
    const attempted = this.#attempted;
    this.#attempted = [];
    if (this.#noted.uncertain) this.#note(attempted.filter(({ key }) => !found.some((kv) => kv.key === key)));
  }

  #note(previous: readonly KeyValue[]): void {
    this.#ended.push(...previous.flatMap((kv) => this.#recordOf(kv) ?? []));
  }

  #recordOf(kv: KeyValue): LockRecord | undefined {
    const parts = this.#store.keys.parse(kv.key);
    return parts?.kind === 'held' ? lockRecord(kv, parts) : undefined;
  }

  /** Undefined if the store went back: what stands there as the heir's may be older than what others were granted since. */
  async #read(): Promise<View | undefined> {
    const { rpc, epoch, keys } = this.#store;
    const { heir } = this.#by;
    const known = heir === undefined ? undefined : await epoch.current(this.#leftMs());
    const { highest } = epoch;
    const request = { compare: [], success: viewOps(epoch, this.#keys, this.#heirId), failure: [] };
    const { responses, header } = await rpc.call(txn, request, this.#leftMs());
    const wentBack = heir !== undefined && epoch.wentBack(header, highest);
    if (!wentBack || this.#seat === undefined || known === undefined) return viewOf(responses, header, keys);
    await this.#startOver(this.#seat, this.#keys.hold(heir.mode, this.#heirId), known);
    return undefined;
  }

  async #startOver(seat: Seat, own: string, epoch: EpochKey): Promise<void> {
    this.#noted.uncertain = true;
    await startOver(this.#store, seat, [own], epoch, this.#leftMs());
  }

  #leftMs(): number {
    return Math.max(1, this.#dueMs - this.#store.rpc.ports.now().monotonicMs);
  }
}
