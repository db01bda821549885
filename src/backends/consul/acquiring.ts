import type { Ask, Grant, Refusal } from '../../core/backend.js';
import { callTimeoutMs } from '../../core/calls.js';
import type { Instant } from '../../core/clock.js';
import { OutcomeUnknownError } from '../../core/errors.js';
import { limits } from '../../core/limits.js';
import { unsettled, verdictOf } from './errors.js';
import { enqueue, type Granting, grant, isTooMuch, sweep, type Terms } from './granting.js';
import type { NameKeys } from './keys.js';
import { isDelayed, type KeyValue, type Op, removeAt, setAt, type TxnAnswer } from './ops.js';
import { withdraw } from './releasing.js';
import type { Noted } from './rpc.js';
import { isTooOld, type Seat } from './seats.js';
import type { Session } from './sessions.js';
import type { Store } from './store.js';
import { beaten, fencesIn, fencesOf, lockRecord, parseText } from './values.js';
import { aheadOf, deadPlaces, inTheWay, isOver, nothing, readView, type View } from './view.js';

/** The store may change between two looks, but not for ever. */
const looksMax = 12;

/** Soon: it is this ask's turn, and somebody was faster each time. */
const busyRetryMs = 5;

/** While a key may not be locked because a session was ended, asking more often than this is pointless. */
const delayedRetryMs = 250;

/** A place that is waited in is kept by a sign of life each time when so much has passed: five before it is forgotten. */
const placeBeatMs = limits.placeMs / 5;

/** More often where the lock-delay keeps the head of the queue from its turn: else it would be taken for dead. */
const delayedBeatMs = limits.claimMs / 4;

/** One call of `acquire`: an owner that asks, for the first time or again. */
export class Acquiring {
  readonly #store: Store;
  readonly #ask: Ask;
  readonly #keys: NameKeys;
  readonly #seat: Seat;
  readonly #terms: Terms;
  readonly #askedAt: Instant;
  readonly #dueMs: number;
  readonly #noted: Noted = { uncertain: false };
  /** It was granted: what fails after that must not be told as if nothing had been done. */
  #granted = false;
  #isDelayed = false;

  constructor(store: Store, ask: Ask) {
    this.#store = store;
    this.#ask = ask;
    this.#keys = store.keys.of(ask.name);
    this.#seat = store.seats.of(ask.owner, store.rpc);
    this.#terms = { ask, id: this.#seat.id, keys: this.#keys, all: store.keys };
    this.#askedAt = store.rpc.ports.now();
    this.#dueMs = this.#askedAt.monotonicMs + callTimeoutMs(store.commandTimeoutMs, ask.ttlMs);
  }

  async run(): Promise<Grant | Refusal> {
    const seat = this.#seat;
    seat.users += 1;
    try {
      return await this.#settled(await this.#look());
    } catch (error) {
      throw this.#granted || this.#noted.uncertain ? unsettled(error) : error;
    } finally {
      if (this.#noted.uncertain) seat.uncertain = true;
      seat.users -= 1;
      const isIdle = seat.hold === undefined && seat.place === undefined && !seat.uncertain;
      if (seat.users === 0 && isIdle) this.#store.seats.over(seat);
    }
  }

  async #look(): Promise<Grant | Refusal> {
    const { waiting } = this.#store;
    const isNew = this.#seat.place === undefined && this.#seat.hold === undefined;
    if (isNew && !waiting.isHot(this.#keys.base)) {
      const answer = await this.#grant(nothing);
      if (answer !== undefined) return answer;
    }
    waiting.refused(this.#keys.base);
    let view = await this.#read();
    for (let looks = 1; ; looks++) {
      const answer = await this.#answerOf(view);
      if (answer !== undefined) return answer;
      view = await this.#read();
      if (looks >= looksMax) return this.#refusal(view, aheadOf(view, this.#ask.mode, this.#seat.id).length, busyRetryMs);
    }
  }

  /** Undefined if it must be looked again. */
  async #answerOf(view: View): Promise<Grant | Refusal | undefined> {
    const { seats, waiting, sightings } = this.#store;
    const { mode } = this.#ask;
    const seat = this.#seat;
    const held = view.holders.find((holder) => holder.id === seat.id && holder.mode === mode);
    if (held !== undefined) return this.#again(held.kv);
    seat.hold = undefined;
    if (view.mark !== undefined) {
      waiting.unwatch(seat);
      if (seat.users === 1) seats.over(seat);
      return { outcome: 'refused', because: 'abandoned', holders: [], ahead: 0 };
    }
    const dead = deadPlaces(view, sightings, seat.id);
    if (dead.length > 0) return this.#sweep(dead.map(({ kv }) => kv));
    if (isTooMuch(view)) return this.#sweep(view.holders.filter(isOver).map(({ kv }) => kv));
    const ahead = aheadOf(view, mode, seat.id);
    if (ahead.length === 0 && inTheWay(view, mode).length === 0 && !this.#isDelayed) return this.#grant(view);
    return this.#wait(view, ahead.length);
  }

  async #wait(view: View, ahead: number): Promise<Refusal | undefined> {
    const { waiting } = this.#store;
    const seat = this.#seat;
    if (this.#ask.enqueue && !(await this.#keepPlace(view))) return undefined;
    const headMs = waiting.headHasMs(this.#keys.base, view);
    const [head] = view.places;
    if (headMs === 0 && head !== undefined && head.id !== seat.id) return this.#sweep([head.kv]);
    if (this.#ask.enqueue) waiting.watch(this.#ask.name.encoded, seat, view, this.#keys);
    const othersHead = head?.id === seat.id ? undefined : headMs;
    return this.#refusal(view, ahead, this.#isDelayed ? delayedRetryMs : othersHead);
  }

  async #again(kv: KeyValue): Promise<Grant | undefined> {
    const text = parseText(kv);
    if (text === undefined) return undefined;
    this.#granted = true;
    this.#store.waiting.unwatch(this.#seat);
    if (isTooOld(this.#seat, kv, this.#store.rpc)) {
      await this.#startOver(kv, text.epoch ?? 0);
      return undefined;
    }
    const next = beaten(text);
    const session = this.#store.sessions.byId(kv.session);
    if (session !== undefined) await this.#store.sessions.keep(session, this.#leftMs());
    const answer = await this.#txn([setAt(kv.key, kv.modifyIndex, JSON.stringify(next))]);
    // Gone or renewed meanwhile: another look says what stands there now.
    const [written] = answer.ok ? answer.kvs : [];
    if (written === undefined) return undefined;
    this.#seat.hold = { key: kv.key, modifyIndex: written.modifyIndex, session: kv.session, text: next };
    return { outcome: 'granted', fences: fencesIn(kv), ttlMs: this.#ttlMs(kv.session) };
  }

  /** Undefined if the name is not as it was seen. */
  async #grant(view: View): Promise<Grant | undefined> {
    const { sessions, epoch } = this.#store;
    for (let tries = 1; ; tries++) {
      const leftMs = this.#leftMs();
      // At the same time: the first ask of a process has to wait for both.
      const [value, session] = await Promise.all([epoch.current(leftMs), this.#session()]);
      const granting = grant(this.#terms, view, value, session);
      const before = this.#store.rpc.highest;
      try {
        const answer = await this.#txn(granting.ops);
        if (!answer.ok) return this.#missed(answer, value);
        return await this.#done(answer.kvs, granting, session.id, value, before);
      } catch (error) {
        if (verdictOf(error) !== 'session-gone' || tries === 3) throw error;
        sessions.gone(session.id);
      }
    }
  }

  /** @param epoch of a grant, whose first step is that this epoch is still the present one */
  #missed(answer: Extract<TxnAnswer, { ok: false }>, epoch?: number): undefined {
    if (epoch !== undefined && answer.failed.some(({ op }) => op === 0)) this.#store.epoch.forget(epoch);
    this.#isDelayed ||= isDelayed(answer);
  }

  async #done(kvs: readonly KeyValue[], { key, text }: Granting, session: string, epoch: number, before: number) {
    const { waiting } = this.#store;
    const seat = this.#seat;
    const kv = kvs.findLast((one) => one.key === key);
    if (kv === undefined) throw new OutcomeUnknownError('Consul did not say what it wrote: ask again');
    this.#granted = true;
    waiting.unwatch(seat);
    waiting.granted(this.#keys.base);
    if (kv.createIndex <= before) {
      await this.#startOver(kv, epoch);
      return undefined;
    }
    seat.place = undefined;
    seat.hold = { key, modifyIndex: kv.modifyIndex, session, text };
    return {
      outcome: 'granted',
      fences: fencesOf(epoch, kv.createIndex, this.#ask.fences),
      ttlMs: this.#ttlMs(session),
    } as const;
  }

  /**
   * The store went back: it was restored, or is another one. What was just written there counts from an epoch that is too low,
   * and nobody has heard of it: it is taken back, and asked for again on a new epoch.
   */
  async #startOver(kv: KeyValue, epoch: number): Promise<void> {
    this.#noted.uncertain = true;
    await this.#store.rpc.txn('taking back', removeAt(kv), this.#leftMs());
    await this.#store.epoch.renew(epoch, this.#leftMs());
  }

  /** Takes a place, or shows a sign of life in the one that there is. False if it must be looked again. */
  async #keepPlace(view: View): Promise<boolean> {
    const seat = this.#seat;
    const nowMs = this.#store.rpc.ports.now().monotonicMs;
    const found = view.places.find((place) => place.id === seat.id)?.kv;
    if (found === undefined) {
      const session = await this.#session();
      const { ops, key, text } = enqueue(this.#terms, session);
      const answer = await this.#inSession(ops, session.id);
      const kv = answer?.ok ? answer.kvs.find((one) => one.key === key) : undefined;
      if (answer?.ok === false) this.#missed(answer);
      // After its session was ended it may not have the same place for a while: until then it asks without one.
      if (kv === undefined) return this.#isDelayed;
      // Behind all that were seen, and those who came since.
      seat.place = { key, modifyIndex: kv.modifyIndex, session: session.id, text, beatAtMs: nowMs };
      return true;
    }
    const text = parseText(found);
    if (text === undefined) return true;
    const beatMs = this.#isDelayed ? delayedBeatMs : placeBeatMs;
    if (seat.place !== undefined && nowMs - seat.place.beatAtMs < beatMs) return true;
    const next = beaten(text);
    const answer = await this.#txn([setAt(found.key, found.modifyIndex, JSON.stringify(next))]);
    const [kv] = answer.ok ? answer.kvs : [];
    if (kv === undefined) return false;
    seat.place = { key: found.key, modifyIndex: kv.modifyIndex, session: found.session, text: next, beatAtMs: nowMs };
    return true;
  }

  #session(): Promise<Session> {
    return this.#store.sessions.current('hold', this.#ask.ttlMs, this.#leftMs());
  }

  async #inSession(ops: readonly Op[], session: string): Promise<TxnAnswer | undefined> {
    try {
      return await this.#txn(ops);
    } catch (error) {
      if (verdictOf(error) !== 'session-gone') throw error;
      this.#store.sessions.gone(session);
      return undefined;
    }
  }

  /** What is over is taken away, if it is still what was seen. */
  async #sweep(kvs: readonly KeyValue[]): Promise<undefined> {
    await this.#store.rpc.txn('tidying', sweep(kvs), this.#leftMs());
    for (const { key } of kvs) this.#store.sightings.forget(key);
  }

  #refusal(view: View, ahead: number, retryInMs?: number): Refusal {
    const { mode, name } = this.#ask;
    const others = inTheWay(view, mode);
    const holders = others.map(({ kv, leftMs }) => lockRecord(name.text, kv, 'held', leftMs));
    const left = ahead > 0 ? [] : others.map(({ leftMs }) => leftMs ?? Number.POSITIVE_INFINITY);
    const soonest = Math.max(0, ...left);
    const waits = [retryInMs, soonest > 0 && Number.isFinite(soonest) ? soonest : undefined].filter((ms) => ms !== undefined);
    return {
      outcome: 'refused',
      because: others.length > 0 || ahead === 0 ? 'held' : 'queued',
      holders,
      ahead,
      ...(waits.length > 0 ? { retryInMs: Math.min(...waits) } : {}),
    };
  }

  /**
   * After a refusal nobody withdraws an ask that does not wait. Where a copy of it may still be under way, it would find the name free
   * one day: so this owner is ended here.
   */
  async #settled(answer: Grant | Refusal): Promise<Grant | Refusal> {
    const isLoose = answer.outcome === 'refused' && answer.because !== 'abandoned' && !this.#ask.enqueue;
    if (isLoose && this.#noted.uncertain) {
      await withdraw(this.#store, this.#ask, this.#leftMs());
      this.#noted.uncertain = false;
    }
    return answer;
  }

  #read(): Promise<View> {
    return readView(this.#store, this.#keys, this.#seat.id, this.#leftMs());
  }

  #txn(ops: readonly Op[]): Promise<TxnAnswer> {
    return this.#store.rpc.txn('asking', ops, this.#leftMs(), this.#noted);
  }

  /** What the session leaves of the TTL, counted from when this was asked. */
  #ttlMs(session: string): number {
    const { sessions } = this.#store;
    const known = sessions.byId(session);
    return known === undefined ? this.#ask.ttlMs : Math.min(this.#ask.ttlMs, Math.floor(sessions.leftMs(known, this.#askedAt)));
  }

  #leftMs(): number {
    return Math.max(1, this.#dueMs - this.#store.rpc.ports.now().monotonicMs);
  }
}
