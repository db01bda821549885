import type { Grant, LockRecord, Revocation, Revoker } from '../../core/backend.js';
import { callTimeoutMs } from '../../core/calls.js';
import { BackendUnavailableError, OutcomeUnknownError } from '../../core/errors.js';
import { limits } from '../../core/limits.js';
import type { LockName } from '../../core/name.js';
import { unsettled, verdictOf } from './errors.js';
import type { NameKeys } from './keys.js';
import {
  isAbsent,
  isAt,
  isDelayed,
  isThere,
  type KeyValue,
  lock,
  type Op,
  opsMax,
  removeAt,
  type TxnAnswer,
  unlock,
} from './ops.js';
import { markOps } from './releasing.js';
import type { Noted } from './rpc.js';
import { isTooOld, type Seat } from './seats.js';
import type { Session } from './sessions.js';
import type { Store } from './store.js';
import { beaten, fencesIn, fencesOf, holdText, lockRecord, parseText, readersText, revokedBy, type Text } from './values.js';
import { type Holder, isOver, readView, type View } from './view.js';
import { setAt } from './ops.js';

/** So many holders are ended by one transaction: each takes four steps. More are readers, and take several. */
const endedAtOnce = Math.floor((opsMax - 12) / 4);

/** Thieves may disturb each other; each time at least one of them is through. */
const triesMax = 100;

interface Heir {
  readonly epoch: number;
  readonly session: Session;
  readonly key: string;
  readonly text: Text;
}

/** One revocation: what holds is read, and ended if nobody has come meanwhile. */
export class Revoking {
  readonly #store: Store;
  readonly #name: LockName;
  readonly #by: Revoker;
  readonly #keys: NameKeys;
  readonly #seat: Seat | undefined;
  readonly #dueMs: number;
  readonly #ended: LockRecord[] = [];
  readonly #noted: Noted = { uncertain: false };
  /** Whom a transaction without an answer was to end. */
  #attempted: readonly Holder[] = [];

  constructor(store: Store, name: LockName, by: Revoker) {
    const { heir } = by;
    this.#store = store;
    this.#name = name;
    this.#by = by;
    this.#keys = store.keys.of(name);
    this.#seat = heir === undefined ? undefined : store.seats.of(heir.owner, store.rpc);
    const timeoutMs = heir === undefined ? store.commandTimeoutMs : callTimeoutMs(store.commandTimeoutMs, heir.ttlMs);
    this.#dueMs = store.rpc.ports.now().monotonicMs + timeoutMs;
  }

  async run(): Promise<Revocation> {
    const seat = this.#seat;
    if (seat !== undefined) seat.users += 1;
    try {
      for (let tries = 1; tries <= triesMax; tries++) {
        const done = await this.#try(await readView(this.#store, this.#keys, seat?.id ?? '-', this.#leftMs()));
        if (done !== undefined) return done;
      }
      throw new OutcomeUnknownError(`"${this.#name.text}" changes hands too fast to be revoked: try again`);
    } catch (error) {
      throw this.#noted.uncertain || seat?.hold !== undefined ? unsettled(error) : error;
    } finally {
      if (seat !== undefined) {
        seat.users -= 1;
        if (this.#noted.uncertain) seat.uncertain = true;
        else if (seat.users === 0 && seat.hold === undefined) this.#store.seats.over(seat);
      }
    }
  }

  /** Undefined if it must be looked again. */
  async #try(view: View): Promise<Revocation | undefined> {
    const { heir } = this.#by;
    const id = this.#seat?.id;
    await this.#settle(view);
    if (heir !== undefined && view.mark !== undefined) return { ended: [] };
    const already = view.holders.find((holder) => holder.id === id && holder.mode === heir?.mode);
    if (already !== undefined) return this.#again(already);
    const holders = this.#toEnd(view.holders);
    const batch = holders.slice(0, endedAtOnce);
    const isLast = batch.length === holders.length;
    if (batch.length === 0 && heir === undefined) return { ended: this.#ended };
    const inherits = heir !== undefined && isLast ? await this.#inherit() : undefined;
    const marks = await this.#store.sessions.current('mark', limits.tombstoneMs, this.#leftMs());
    this.#attempted = batch;
    const before = this.#store.rpc.highest;
    const meant = this.#by.ifFence === undefined || isLast ? [] : holders.slice(-1).map(({ kv }) => isAt(kv));
    const answer = await this.#txn([...meant, ...this.#ops(view, batch, isLast, marks, inherits)], marks, inherits);
    if (answer === undefined || !answer.ok) {
      if (answer !== undefined && isDelayed(answer)) throw delayed(this.#name);
      if (answer !== undefined && !this.#noted.uncertain) this.#attempted = [];
      if (inherits !== undefined && answer?.ok === false && answer.failed.some(({ op }) => op === 0)) {
        this.#store.epoch.forget(inherits.epoch);
      }
      return undefined;
    }
    this.#attempted = [];
    this.#note(batch);
    if (inherits === undefined) return heir === undefined && isLast ? { ended: this.#ended } : undefined;
    return this.#inherited(answer, inherits, before);
  }

  /** None if the hold that it is about is not there. That one comes last: of many, each transaction finds it still there. */
  #toEnd(holders: readonly Holder[]): readonly Holder[] {
    const { ifFence } = this.#by;
    if (ifFence === undefined) return holders;
    const meant = holders.find((holder) => !isOver(holder) && this.#recordOf(holder).fence === ifFence);
    return meant === undefined ? [] : [...holders.filter((holder) => holder !== meant), meant];
  }

  #ops(view: View, batch: readonly Holder[], isLast: boolean, marks: Session, heir: Heir | undefined): readonly Op[] {
    const store = this.#store;
    const id = this.#seat?.id ?? '';
    const welcome = heir === undefined ? [] : [isThere(store.keys.epochOf(heir.epoch)), isAbsent(store.keys.mark(id))];
    const readers = batch.filter((holder) => holder.kv.key !== this.#keys.lock).flatMap(({ kv }) => removeAt(kv));
    // A hold without an owner is nobody's of ours.
    const told = batch.filter((holder) => holder.id !== '').flatMap((holder) => markOps(store, holder.id, marks.id, this.#by));
    const { lock: door } = view;
    // While some readers stay, what writers stumble over does too; it must be the one that was seen.
    const cleared = door === undefined ? [isAbsent(this.#keys.lock)] : isLast ? removeAt(door) : [isAt(door)];
    return [...welcome, ...readers, ...cleared, ...told, ...this.#grantOps(heir, id)];
  }

  #grantOps(heir: Heir | undefined, id: string): readonly Op[] {
    if (heir === undefined) return [];
    const value = JSON.stringify(heir.text);
    if (heir.key === this.#keys.lock) return [lock(heir.key, heir.session.id, value)];
    const door = readersText(id);
    const { lock: key } = this.#keys;
    const { id: session } = heir.session;
    return [lock(key, session, door), unlock(key, session, door), lock(heir.key, session, value)];
  }

  async #inherit(): Promise<Heir> {
    const heir = this.#by.heir as NonNullable<Revoker['heir']>;
    const { epoch, sessions } = this.#store;
    const leftMs = this.#leftMs();
    const id = this.#seat?.id ?? '';
    const [value, session] = await Promise.all([epoch.current(leftMs), sessions.current('hold', heir.ttlMs, leftMs)]);
    const key = heir.mode === 'shared' ? this.#keys.reader(id) : this.#keys.lock;
    return { epoch: value, session, key, text: holdText(heir, id, value) };
  }

  async #txn(ops: readonly Op[], marks: Session, heir: Heir | undefined): Promise<TxnAnswer | undefined> {
    try {
      return await this.#store.rpc.txn('revoking', ops, this.#leftMs(), this.#noted);
    } catch (error) {
      if (verdictOf(error) !== 'session-gone') throw error;
      this.#store.sessions.gone(marks.id);
      // Which of them is gone was not said; leases may be under the other, and it must be kept for them.
      if (heir !== undefined) await this.#store.sessions.confirm(heir.session, this.#leftMs());
      return undefined;
    }
  }

  async #inherited(answer: TxnAnswer, { key, text, epoch, session }: Heir, before: number): Promise<Revocation | undefined> {
    const kv = answer.ok ? answer.kvs.findLast((one) => one.key === key) : undefined;
    if (kv === undefined) return undefined;
    if (kv.createIndex <= before) {
      await this.#startOver(kv, epoch);
      return undefined;
    }
    if (this.#seat !== undefined) this.#seat.hold = { key, modifyIndex: kv.modifyIndex, session: session.id, text };
    const fences = fencesOf(epoch, kv.createIndex, text.fences ?? 1);
    return { ended: this.#ended, grant: this.#grantOf(fences) };
  }

  /** The store went back: see acquiring.ts. */
  async #startOver(kv: KeyValue, epoch: number): Promise<void> {
    await this.#store.rpc.txn('taking back', removeAt(kv), this.#leftMs());
    await this.#store.epoch.renew(epoch, this.#leftMs());
  }

  /** The heir has it already: its second try robs nobody. */
  async #again({ kv }: Holder): Promise<Revocation | undefined> {
    const text = parseText(kv);
    if (text === undefined) return undefined;
    if (this.#seat !== undefined && isTooOld(this.#seat, kv, this.#store.rpc)) {
      await this.#startOver(kv, text.epoch ?? 0);
      return undefined;
    }
    const next = beaten(text);
    const answer = await this.#store.rpc.txn('revoking', [setAt(kv.key, kv.modifyIndex, JSON.stringify(next))], this.#leftMs());
    const [written] = answer.ok ? answer.kvs : [];
    if (written === undefined) return undefined;
    if (this.#seat !== undefined) {
      this.#seat.hold = { key: kv.key, modifyIndex: written.modifyIndex, session: kv.session, text: next };
    }
    return { ended: this.#ended, grant: this.#grantOf(fencesIn(kv)) };
  }

  #grantOf(fences: Grant['fences']): Grant {
    return { outcome: 'granted', fences, ttlMs: this.#by.heir?.ttlMs ?? 0 };
  }

  /** A transaction without an answer may have been done: then whom it was to end is gone, and told by whom. */
  async #settle(view: View): Promise<void> {
    const missing = this.#attempted.filter(({ kv }) => !view.holders.some((holder) => holder.kv.createIndex === kv.createIndex));
    this.#attempted = [];
    for (const holder of missing) {
      const found = await readView(this.#store, this.#keys, holder.id, this.#leftMs());
      const by = found.mark === undefined ? undefined : revokedBy(found.mark);
      if (by?.kind === this.#by.kind && by.reason === this.#by.reason) this.#note([holder]);
    }
  }

  #note(holders: readonly Holder[]): void {
    for (const holder of holders) {
      this.#store.sightings.forget(holder.kv.key);
      if (!isOver(holder)) this.#ended.push(this.#recordOf(holder));
    }
  }

  #recordOf({ kv }: Holder): LockRecord {
    return lockRecord(this.#name.text, kv, 'held');
  }

  #leftMs(): number {
    return Math.max(1, this.#dueMs - this.#store.rpc.ports.now().monotonicMs);
  }
}

function delayed({ text }: LockName): BackendUnavailableError {
  return new BackendUnavailableError(
    `Consul: "${text}" may not be locked yet, because the session of its last holder was ended: its lock-delay is a minute at most; try again after it`,
  );
}
