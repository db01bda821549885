import type {
  Ask,
  Grant,
  Held,
  LockRecord,
  Mode,
  Refusal,
  Release,
  Renewal,
  Revocation,
  RevokedBy,
  Revoker,
} from '../../core/backend.js';
import { ownerDigest } from '../../core/clock.js';
import { mintFences } from '../../core/fence.js';
import { limits } from '../../core/limits.js';
import { decodeName } from '../../core/name.js';

/** The clock of the store; a simulator brings its own. */
export interface StoreClock {
  /** Never goes back. */
  nowMs(): number;
  /** Floor of new fences, in microseconds; 0n where a counter is enough because the store cannot lose it. */
  wallUs(): bigint;
}

interface Holder {
  readonly ask: Ask;
  readonly first: bigint;
  readonly last: bigint;
  readonly sinceMs: number;
  expiresAtMs: number;
  renewals: number;
}

interface Place {
  ask: Ask;
  readonly sinceMs: number;
  seenAtMs: number;
}

interface Entry {
  holders: Map<string, Holder>;
  places: Place[];
  /** Since when nobody holds it: the claim windows of the queue count from here. */
  freeSinceMs: number;
}

type Ended = { readonly by: RevokedBy | undefined; readonly untilMs: number };

/**
 * Leases in a map: the smallest complete statement of what the contract asks of a store, and the store of the simulator.
 * Everything happens in one step; time comes from outside.
 */
export class MemoryStore {
  readonly #clock: StoreClock;
  #entries = new Map<string, Entry>();
  /** Owners that must not come back: abandoned, revoked, stolen from. */
  #ended = new Map<string, Ended>();
  /** Highest fence ever minted for any name: lets an idle name be forgotten without its fence going back. */
  #fence = 0n;

  constructor(clock: StoreClock) {
    this.#clock = clock;
  }

  acquire(ask: Ask): Grant | Refusal {
    const now = this.#clock.nowMs();
    if (this.#isEnded(ask.owner, now)) return { outcome: 'refused', because: 'abandoned', holders: [], ahead: 0 };
    const entry = this.#entry(ask.name.encoded, now);
    const mine = entry.holders.get(ask.owner);
    if (mine !== undefined) {
      mine.expiresAtMs = now + ask.ttlMs;
      return granted(mine);
    }
    const index = entry.places.findIndex((place) => place.ask.owner === ask.owner);
    const inFront = index < 0 ? entry.places : entry.places.slice(0, index);
    const blocking = inFront.filter((place) => ask.mode === 'exclusive' || place.ask.mode === 'exclusive');
    const held = conflicts(entry, ask.mode);
    const turnAtMs =
      entry.holders.size > 0 && blocking.length > 0 ? Infinity : entry.freeSinceMs + blocking.length * limits.claimMs;
    if (!held && (blocking.length === 0 || now >= turnAtMs)) {
      // Whoever is passed over missed its claim window and queues anew.
      entry.places = entry.places.filter((place) => place.ask.owner !== ask.owner && !blocking.includes(place));
      return this.#grant(entry, ask, now);
    }
    if (ask.enqueue) this.#takePlace(entry, ask, index, now);
    else this.#forgetIfIdle(ask.name.encoded, entry);
    const retryAtMs = held ? Math.min(...[...entry.holders.values()].map((holder) => holder.expiresAtMs)) : turnAtMs;
    return {
      outcome: 'refused',
      because: held ? 'held' : 'queued',
      holders: [...entry.holders.values()].map((holder) => holderRecord(holder, now)),
      ahead: blocking.length,
      ...(Number.isFinite(retryAtMs) ? { retryInMs: Math.max(0, retryAtMs - now) } : {}),
    };
  }

  renew(held: Held): Renewal {
    const now = this.#clock.nowMs();
    const entry = this.#entry(held.name.encoded, now);
    const mine = entry.holders.get(held.owner);
    if (mine !== undefined) {
      mine.expiresAtMs = now + held.ttlMs;
      mine.renewals += 1;
      return { outcome: 'renewed', ttlMs: held.ttlMs };
    }
    const by = this.#ended.get(held.owner)?.by;
    const outcome = entry.holders.size > 0 ? 'not-yours' : 'gone';
    this.#forgetIfIdle(held.name.encoded, entry);
    return { outcome, ...(by === undefined ? {} : { by }) };
  }

  release(held: Held): Release {
    const now = this.#clock.nowMs();
    const entry = this.#entry(held.name.encoded, now);
    const found = entry.holders.delete(held.owner);
    if (found && entry.holders.size === 0) entry.freeSinceMs = now;
    const others = entry.holders.size > 0;
    this.#forgetIfIdle(held.name.encoded, entry);
    if (found) return 'released';
    return others ? 'not-owner' : 'absent';
  }

  abandon(ask: Ask): void {
    const now = this.#clock.nowMs();
    const entry = this.#entry(ask.name.encoded, now);
    if (entry.holders.delete(ask.owner) && entry.holders.size === 0) entry.freeSinceMs = now;
    entry.places = entry.places.filter((place) => place.ask.owner !== ask.owner);
    this.#end(ask.owner, undefined, now);
    this.#forgetIfIdle(ask.name.encoded, entry);
  }

  revoke(encodedName: string, by: Revoker): Revocation {
    const now = this.#clock.nowMs();
    const entry = this.#entry(encodedName, now);
    const heir = by.heir;
    // A steal that was given up and arrives late robs nobody.
    if (heir !== undefined && this.#isEnded(heir.owner, now)) {
      this.#forgetIfIdle(encodedName, entry);
      return { ended: [] };
    }
    const already = heir === undefined ? undefined : entry.holders.get(heir.owner);
    if (already !== undefined) {
      already.expiresAtMs = now + already.ask.ttlMs;
      return { ended: [], grant: granted(already) };
    }
    const ended = [...entry.holders.values()].map((holder) => holderRecord(holder, now));
    if (by.ifFence !== undefined && !ended.some(({ fence }) => fence === by.ifFence)) {
      this.#forgetIfIdle(encodedName, entry);
      return { ended: [] };
    }
    for (const owner of entry.holders.keys()) this.#end(owner, { kind: by.kind, reason: by.reason }, now);
    if (entry.holders.size > 0) entry.freeSinceMs = now;
    entry.holders.clear();
    if (heir !== undefined) return { ended, grant: this.#grant(entry, heir, now) };
    this.#forgetIfIdle(encodedName, entry);
    return { ended };
  }

  read(encodedName: string): readonly LockRecord[] {
    const now = this.#clock.nowMs();
    const entry = this.#entry(encodedName, now);
    const holders = [...entry.holders.values()].map((holder) => holderRecord(holder, now));
    const places = entry.places.map((place) => placeRecord(place, now));
    this.#forgetIfIdle(encodedName, entry);
    return [...holders, ...places];
  }

  *list(prefix: string): Generator<LockRecord> {
    for (const encoded of [...this.#entries.keys()]) {
      if (decodeName(encoded).startsWith(prefix)) yield* this.read(encoded);
    }
  }

  /** For tests: how many owners are refused for what they once were. */
  get endedOwners(): number {
    return this.#ended.size;
  }

  /** For tests and simulators: what a store without durability does when it restarts. */
  forgetEverything(): void {
    this.#entries = new Map();
    this.#ended = new Map();
    this.#fence = 0n;
  }

  /** For simulators: an independent copy, as an asynchronous replica would have it. */
  copy(): MemoryStore {
    const copy = new MemoryStore(this.#clock);
    copy.#fence = this.#fence;
    copy.#ended = new Map(this.#ended);
    for (const [name, entry] of this.#entries) {
      copy.#entries.set(name, {
        holders: new Map([...entry.holders].map(([owner, holder]) => [owner, { ...holder }])),
        places: entry.places.map((place) => ({ ...place })),
        freeSinceMs: entry.freeSinceMs,
      });
    }
    return copy;
  }

  /** The entry with everything that is over taken out of it. */
  #entry(encodedName: string, now: number): Entry {
    let entry = this.#entries.get(encodedName);
    if (entry === undefined) {
      entry = { holders: new Map(), places: [], freeSinceMs: now };
      this.#entries.set(encodedName, entry);
    }
    for (const [owner, holder] of entry.holders) {
      if (holder.expiresAtMs > now) continue;
      entry.holders.delete(owner);
      // The claim windows count from when it was noticed: nobody could have claimed it before.
      if (entry.holders.size === 0) entry.freeSinceMs = now;
    }
    entry.places = entry.places.filter((place) => place.seenAtMs + limits.placeMs > now);
    return entry;
  }

  #forgetIfIdle(encodedName: string, entry: Entry): void {
    if (entry.holders.size === 0 && entry.places.length === 0) this.#entries.delete(encodedName);
  }

  #takePlace(entry: Entry, ask: Ask, index: number, now: number): void {
    const place = entry.places[index];
    if (place === undefined) entry.places.push({ ask, sinceMs: now, seenAtMs: now });
    else {
      place.ask = ask;
      place.seenAtMs = now;
    }
  }

  #grant(entry: Entry, ask: Ask, now: number): Grant {
    const { first, last } = mintFences(this.#fence, this.#clock.wallUs(), ask.fences);
    this.#fence = last;
    const holder: Holder = { ask, first, last, sinceMs: now, expiresAtMs: now + ask.ttlMs, renewals: 0 };
    entry.holders.set(ask.owner, holder);
    return granted(holder);
  }

  #end(owner: string, by: RevokedBy | undefined, now: number): void {
    for (const [old, { untilMs }] of this.#ended) {
      // In order of insertion, hence of time: the first one that is still young ends the sweep.
      if (untilMs > now) break;
      this.#ended.delete(old);
    }
    // Anew at the end: setting what is there already would leave it in its old place.
    this.#ended.delete(owner);
    this.#ended.set(owner, { by, untilMs: now + limits.tombstoneMs });
  }

  #isEnded(owner: string, now: number): boolean {
    return (this.#ended.get(owner)?.untilMs ?? 0) > now;
  }
}

function conflicts(entry: Entry, mode: Mode): boolean {
  if (mode === 'exclusive') return entry.holders.size > 0;
  for (const holder of entry.holders.values()) if (holder.ask.mode === 'exclusive') return true;
  return false;
}

function granted(holder: Holder): Grant {
  return { outcome: 'granted', fences: { first: holder.first, last: holder.last }, ttlMs: holder.ask.ttlMs };
}

function record(ask: Ask, sinceMs: number, now: number) {
  return {
    name: ask.name.text,
    key: ask.name.encoded,
    mode: ask.mode,
    ownerDigest: ownerDigest(ask.owner),
    node: ask.node,
    ttlMs: ask.ttlMs,
    sinceMs: now - sinceMs,
    metadata: ask.metadata,
  } as const;
}

function holderRecord(holder: Holder, now: number): LockRecord {
  return {
    ...record(holder.ask, holder.sinceMs, now),
    state: 'held',
    fence: holder.last,
    expiresInMs: holder.expiresAtMs - now,
    renewals: holder.renewals,
  };
}

function placeRecord(place: Place, now: number): LockRecord {
  return { ...record(place.ask, place.sinceMs, now), state: 'waiting', renewals: 0 };
}
