import type { Ask, Grant, Refusal } from '../../core/backend.js';
import { callTimeoutMs } from '../../core/calls.js';
import type { Instant } from '../../core/clock.js';
import { OutcomeUnknownError } from '../../core/errors.js';
import { freeFor, freeForAll, isAbsent, isSince } from './compares.js';
import type { EpochKey } from './epoch.js';
import { unsettled, verdictOf } from './errors.js';
import type { NameKeys } from './keys.js';
import type { Lease } from './leases.js';
import { txn } from './methods.js';
import { confirm } from './renewing.js';
import { type Seat, strangersLease } from './seats.js';
import { startOver } from './starting-over.js';
import type { Store } from './store.js';
import { fencesIn, fencesOf, holdText, lockRecord, placeText } from './values.js';
import { aheadOf, conflicts, type Place, type View, viewOf, viewOps } from './view.js';
import type { KeyValue, Op } from './wire/messages.js';

/** The store may change between two looks, but not for ever. */
const looksMax = 8;

/** A grant with less of its TTL left than this is renewed before it is given out. */
const enoughRatio = 0.6;

/** Soon: it is this ask's turn, and somebody was faster each time. */
const busyRetryMs = 5;

/** One call of `acquire`: an owner that asks, for the first time or again. */
export class Acquiring {
  readonly #store: Store;
  readonly #ask: Ask;
  readonly #keys: NameKeys;
  readonly #id: string;
  readonly #seat: Seat;
  readonly #askedAt: Instant;
  readonly #dueMs: number;
  /** It was granted, or may have been: what fails after that must not be told as if nothing had been done. */
  #mayHold = false;

  constructor(store: Store, ask: Ask) {
    this.#store = store;
    this.#ask = ask;
    this.#keys = store.keys.of(ask.name);
    this.#seat = store.seats.of(ask.owner, ask.ttlMs);
    this.#id = this.#seat.id;
    this.#askedAt = store.rpc.ports.now();
    this.#dueMs = this.#askedAt.monotonicMs + callTimeoutMs(store.commandTimeoutMs, ask.ttlMs);
  }

  async run(): Promise<Grant | Refusal> {
    const seat = this.#seat;
    seat.users += 1;
    try {
      return await this.#look();
    } catch (error) {
      throw this.#mayHold ? unsettled(error) : error;
    } finally {
      seat.users -= 1;
      if (seat.users === 0 && !seat.held && seat.place === undefined && !seat.uncertain) this.#store.seats.over(seat);
    }
  }

  async #look(): Promise<Grant | Refusal> {
    const { waiting } = this.#store;
    let view: View | undefined;
    // Between two polls nothing has changed, most likely: reading costs the cluster less than a transaction that may write.
    if (this.#seat.place !== undefined && !this.#seat.woken) view = await this.#read();
    for (let looks = 1; ; looks++) {
      if (view !== undefined) {
        const answer = await this.#answerOf(view);
        if (answer !== undefined) return answer;
        if (looks > looksMax) return this.#refusal(view, [], busyRetryMs);
        if (!this.#seat.woken && waiting.unwatch(this.#seat)) waiting.suspect();
      }
      const answer = await this.#try();
      if ('outcome' in answer) {
        waiting.granted(this.#ask.name.encoded);
        return answer;
      }
      view = answer;
    }
  }

  /** Undefined if the name is ours to take, or a look at something newer is needed. */
  async #answerOf(view: View): Promise<Grant | Refusal | undefined> {
    const { epoch, seats, waiting } = this.#store;
    const { mode, enqueue, name } = this.#ask;
    const own = this.#keys.hold(mode, this.#id);
    const place = view.places.find((one) => one.id === this.#id && one.mode === mode);
    this.#seat.place = place?.at;
    const held = view.holders.find(({ key }) => key === own);
    if (held !== undefined) return this.#again(held);
    if (view.isEnded) {
      this.#leave();
      seats.over(this.#seat);
      return { outcome: 'refused', because: 'abandoned', holders: [], ahead: 0 };
    }
    const known = await epoch.current(this.#leftMs());
    if (epoch.differs(view.epoch, known)) {
      epoch.forget();
      return undefined;
    }
    if (place === undefined && enqueue) return undefined;
    this.#seat.writersWait = view.places.some((one) => one.mode === 'exclusive');
    const ahead = aheadOf(view, mode, place);
    const isTaken = conflicts(view, mode, this.#keys);
    if (!isTaken && ahead.length === 0) return undefined;
    const head = view.places.find((one) => !one.holds);
    const headMs = waiting.headHasMs(name.encoded, view, head?.id === this.#id ? undefined : head);
    if (place !== undefined && headMs === 0 && head !== undefined) {
      await this.#passOver(head);
      return undefined;
    }
    if (place !== undefined) this.#listen(view, ahead);
    return this.#refusal(view, ahead, headMs);
  }

  /** A transaction that grants what is free; if it is not, takes a place, and tells what stands there. */
  async #try(): Promise<Grant | View> {
    const store = this.#store;
    let brief = this.#seat.place === undefined && !store.waiting.isHot(this.#ask.name.encoded);
    for (;;) {
      const leftMs = this.#leftMs();
      // At the same time: the first ask of a process has to wait for all of them.
      const [epoch, lease, placeLease] = await Promise.all([
        store.epoch.current(leftMs),
        store.seats.lease(this.#seat, leftMs),
        this.#ask.enqueue && !brief ? store.seats.placeLease(this.#seat, leftMs) : undefined,
      ]);
      this.#refresh(placeLease ?? lease);
      const sentAt = store.rpc.ports.now();
      const highest = store.epoch.highest;
      const noted = { uncertain: false };
      try {
        const { succeeded, header, responses } = await store.rpc.call(
          txn,
          this.#request(epoch, lease, placeLease, brief),
          this.#leftMs(),
          noted,
        );
        lease.decided(header, sentAt);
        placeLease?.decided(header, sentAt);
        if (store.epoch.wentBack(header, highest)) {
          await this.#startOver(epoch, leftMs);
          continue;
        }
        if (succeeded) return await this.#granted(epoch, header?.revision ?? 0, lease);
        if (brief) {
          brief = false;
          continue;
        }
        const inner = responses[0]?.txn;
        return viewOf(inner === undefined ? responses : inner.responses.slice(inner.succeeded ? 1 : 0), header, store.keys);
      } catch (error) {
        if (verdictOf(error) !== 'lease-gone') throw error;
        this.#forgetLeases();
      } finally {
        // A copy may still arrive, also after another one was answered: then it must find its lease revoked.
        if (noted.uncertain) {
          this.#seat.uncertain = true;
          this.#mayHold = true;
        }
      }
    }
  }

  /** @param brief to a name that is free, most likely: the answer is yes, or says only no */
  #request(epoch: EpochKey, lease: Lease, placeLease: Lease | undefined, brief: boolean) {
    const { mode } = this.#ask;
    const { place, writersWait } = this.#seat;
    const keys = this.#keys;
    const hold = keys.hold(mode, this.#id);
    const isFree = place === undefined ? freeForAll(keys, mode) : freeFor(keys, mode, this.#id, place, writersWait);
    const success: Op[] = [{ put: { key: hold, value: holdText(this.#ask, epoch.value), lease: lease.id } }];
    // The place is kept while it holds: who waits behind it need not look before both are gone.
    if (place !== undefined && lease !== placeLease) {
      success.push({ put: { key: keys.place(mode, this.#id), value: placeText(this.#ask), lease: lease.id } });
    }
    // A writer's own hold is among those that must not be there anyway.
    const isNew = mode === 'exclusive' ? [] : [isAbsent(hold)];
    const compare = [this.#store.epoch.isStill(epoch), isAbsent(keys.mark(this.#id)), ...isNew, ...isFree];
    return { compare, success, failure: brief ? [] : this.#otherwise(placeLease) };
  }

  #otherwise(placeLease: Lease | undefined): readonly Op[] {
    const { mode } = this.#ask;
    const keys = this.#keys;
    const view = viewOps(this.#store.epoch, keys, this.#id);
    if (placeLease === undefined) return view;
    const place = keys.place(mode, this.#id);
    const compare = [isAbsent(keys.mark(this.#id)), isAbsent(keys.hold(mode, this.#id)), isAbsent(place)];
    const take: Op = { put: { key: place, value: placeText(this.#ask), lease: placeLease.id } };
    return [{ txn: { compare, success: [take, ...view], failure: view } }];
  }

  async #granted(epoch: EpochKey, revision: number, lease: Lease): Promise<Grant> {
    const { seats } = this.#store;
    const { ttlMs, fences, mode } = this.#ask;
    this.#mayHold = true;
    this.#leave();
    seats.granted(this.#seat);
    let leftMs = lease.leftMs(this.#askedAt);
    if (leftMs < ttlMs * enoughRatio) {
      const key = this.#keys.hold(mode, this.#id);
      const isSo = await confirm(this.#store, [{ key, lease }], this.#leftMs());
      if (isSo.get(key) === undefined)
        throw new OutcomeUnknownError('etcd did not renew the lease that it had granted: ask again');
      leftMs = lease.leftMs(this.#askedAt);
    }
    return { outcome: 'granted', fences: fencesOf(epoch.value, revision, fences), ttlMs: Math.min(ttlMs, leftMs) };
  }

  /** Told the same again, with a fresh TTL. */
  async #again(held: KeyValue): Promise<Grant | undefined> {
    const { key } = held;
    const { ttlMs } = this.#ask;
    this.#mayHold = true;
    const seat = this.#seat;
    if (seat.lease?.id !== held.lease) seat.lease = strangersLease(held.lease, ttlMs);
    const { lease } = seat;
    this.#leave();
    const isSo = await confirm(this.#store, [{ key, lease }], this.#leftMs());
    // Gone meanwhile: another look says what stands there now.
    if (isSo.get(key) === undefined) return undefined;
    seat.held = true;
    return { outcome: 'granted', fences: fencesIn(held), ttlMs: Math.min(ttlMs, lease.leftMs(this.#askedAt)) };
  }

  #refusal(view: View, ahead: readonly Place[], retryInMs: number | undefined): Refusal {
    const { keys, waiting } = this.#store;
    waiting.refused(this.#ask.name.encoded);
    return {
      outcome: 'refused',
      because: conflicts(view, this.#ask.mode, this.#keys) ? 'held' : 'queued',
      holders: view.holders.flatMap((kv) => {
        const parts = keys.parse(kv.key);
        return parts === undefined ? [] : [lockRecord(kv, parts)];
      }),
      ahead: ahead.length,
      ...(retryInMs === undefined ? {} : { retryInMs }),
    };
  }

  /** Whoever is next in front, and waits as well; else whoever holds. */
  #listen(view: View, ahead: readonly Place[]): void {
    const before = ahead.at(-1);
    const { mode, name } = this.#ask;
    const held = mode === 'exclusive' ? this.#keys.held : this.#keys.heldBy('exclusive');
    const target = before === undefined ? held : { key: before.key };
    this.#store.waiting.watch(name.encoded, this.#seat, target, (view.header?.revision ?? 0) + 1);
  }

  /** The head of the queue let its time go by: it loses its place, and takes a new one when it comes back. */
  async #passOver({ key, at }: Place): Promise<void> {
    const compare = [isSince(key, at)];
    await this.#store.rpc.call(txn, { compare, success: [{ delete: { key } }], failure: [] }, this.#leftMs());
  }

  /** Undefined if the store went back: what stands there as ours may be older than what others were granted since. */
  async #read(): Promise<View | undefined> {
    const { rpc, epoch, keys } = this.#store;
    const { placeLease } = this.#seat;
    if (placeLease !== undefined) this.#refresh(placeLease);
    const known = await epoch.current(this.#leftMs());
    const { highest } = epoch;
    const sentAt = rpc.ports.now();
    const request = { compare: [], success: viewOps(epoch, this.#keys, this.#id), failure: [] };
    const { responses, header } = await rpc.call(txn, request, this.#leftMs());
    placeLease?.decided(header, sentAt);
    if (!epoch.wentBack(header, highest)) return viewOf(responses, header, keys);
    await this.#startOver(known, this.#leftMs());
    return undefined;
  }

  async #startOver(epoch: EpochKey, timeoutMs: number): Promise<void> {
    const { mode } = this.#ask;
    this.#mayHold = true;
    const written = [this.#keys.hold(mode, this.#id), this.#keys.place(mode, this.#id)];
    await startOver(this.#store, this.#seat, written, epoch, timeoutMs);
  }

  /** Sent along, and not waited for: what comes of it counts when something else was answered after it. */
  #refresh(lease: Lease): void {
    const { keepAlives, rpc } = this.#store;
    const sentAt = rpc.ports.now();
    if (lease.isFresh(sentAt)) return;
    void keepAlives.renew([lease.id], this.#leftMs()).then((kept) => {
      const one = kept.get(lease.id);
      if (one !== undefined) lease.claimed(one, sentAt, rpc.ports.now());
    });
  }

  #leave(): void {
    this.#store.waiting.unwatch(this.#seat);
  }

  /** Somebody ended them, or they ran out while nobody looked. */
  #forgetLeases(): void {
    this.#seat.lease = undefined;
    this.#seat.placeLease = undefined;
  }

  #leftMs(): number {
    return Math.max(1, this.#dueMs - this.#store.rpc.ports.now().monotonicMs);
  }
}
