import { MemoryStore } from '../../backends/memory/store.js';
import type { Ask, Grant, Held, LockRecord, Mode, Refusal, Release, Renewal, Revocation, Revoker } from '../../core/backend.js';
import { ownerDigest } from '../../core/clock.js';
import type { LockName } from '../../core/name.js';
import type { Recorder } from '../check/history.js';
import { Door } from './door.js';
import type { SimProcess } from './process.js';
import type { Scenario } from './scenario.js';
import type { Scheduler } from './scheduler.js';

interface Known {
  readonly process: string;
  readonly name: string;
  readonly mode: Mode;
  readonly first: bigint;
  untilMs: number;
}

/** The store at the other end of the network. Writes down what it does as it does it: the truth that the checker holds the clients to. */
export class SimServer {
  /** Tells waiters; set by the network. */
  onWake: (encodedName: string) => void = () => {};
  /** Whether what is being done now was asked for by a copy of a message. Set by the network. */
  copying = false;
  readonly door = new Door();
  readonly #scheduler: Scheduler;
  readonly #recorder: Recorder;
  readonly #rate: number;
  #wallMs: number;
  #store: MemoryStore;
  #replica: { readonly store: MemoryStore; readonly known: Map<string, Known>; readonly sinceMs: number } | undefined;
  /** Living tenures by owner. */
  #known = new Map<string, Known>();
  readonly #queued = new Set<string>();
  readonly #seen = new Set<string>();

  constructor(scheduler: Scheduler, recorder: Recorder, store: Scenario['store']) {
    this.#scheduler = scheduler;
    this.#recorder = recorder;
    this.#rate = store.rate;
    this.#wallMs = store.wallMs;
    this.#store = new MemoryStore({
      nowMs: () => scheduler.nowMs * this.#rate,
      wallUs: () => BigInt(Math.floor((this.#wallMs + scheduler.nowMs * this.#rate) * 1000)),
    });
  }

  receive(run: () => void, refuse: () => void): void {
    this.door.receive(run, refuse);
  }

  stepWall(byMs: number): void {
    this.#wallMs += byMs;
  }

  forget(): void {
    this.#store.forgetEverything();
    this.#known.clear();
    this.#queued.clear();
    this.#recorder.add({ type: 'forgot', sinceMs: 0 });
  }

  copyToReplica(): void {
    const known = new Map([...this.#known].map(([owner, it]) => [owner, { ...it }]));
    this.#replica = { store: this.#store.copy(), known, sinceMs: this.#scheduler.nowMs };
  }

  failOver(): void {
    if (this.#replica === undefined) return;
    this.#store = this.#replica.store;
    this.#known = this.#replica.known;
    this.#queued.clear();
    this.#recorder.add({ type: 'forgot', sinceMs: this.#replica.sinceMs });
    this.#replica = undefined;
  }

  acquire(ask: Ask, process: SimProcess): Grant | Refusal {
    this.#seen.add(ask.owner);
    const answer = this.#store.acquire(ask);
    if (answer.outcome === 'granted') this.#granted(ask, answer, process.name);
    else if (ask.enqueue && answer.because !== 'abandoned' && !this.#queued.has(ask.owner)) {
      this.#queued.add(ask.owner);
      this.#recorder.add({
        type: 'queued',
        process: process.name,
        name: ask.name.text,
        owner: ask.owner,
        mode: ask.mode,
        copy: this.copying,
      });
    }
    return answer;
  }

  renew(holds: readonly Held[]): readonly Renewal[] {
    return holds.map((held) => {
      const answer = this.#store.renew(held);
      if (answer.outcome === 'renewed') this.#extended(held, answer.ttlMs);
      return answer;
    });
  }

  release(held: Held): Release {
    const outcome = this.#store.release(held);
    if (outcome === 'released') this.#ended(held.owner, 'released');
    this.onWake(held.name.encoded);
    return outcome;
  }

  abandon(ask: Ask): void {
    this.#store.abandon(ask);
    this.#ended(ask.owner, 'abandoned');
    if (this.#queued.delete(ask.owner)) this.#recorder.add({ type: 'unqueued', name: ask.name.text, owner: ask.owner });
    this.onWake(ask.name.encoded);
  }

  revoke(name: LockName, by: Revoker, process: SimProcess): Revocation {
    if (by.heir !== undefined) this.#seen.add(by.heir.owner);
    const revocation = this.#store.revoke(name.encoded, by);
    const digests = new Set(revocation.ended.map((record) => record.ownerDigest));
    for (const [owner, known] of this.#known) {
      if (known.name === name.text && digests.has(ownerDigest(owner))) this.#ended(owner, by.kind);
    }
    if (by.heir !== undefined && revocation.grant !== undefined) this.#granted(by.heir, revocation.grant, process.name);
    this.onWake(name.encoded);
    return revocation;
  }

  read(name: LockName): readonly LockRecord[] {
    return this.#store.read(name.encoded);
  }

  list(prefix: string): readonly LockRecord[] {
    return [...this.#store.list(prefix)];
  }

  /** What is still there, with the owners that only the simulator may know. */
  left(): readonly { readonly owner: string; readonly record: LockRecord }[] {
    const owners = new Map([...this.#seen].map((owner) => [ownerDigest(owner), owner]));
    return this.list('').map((record) => ({ owner: owners.get(record.ownerDigest) ?? '', record }));
  }

  #untilMs(ttlMs: number): number {
    return this.#scheduler.nowMs + ttlMs / this.#rate;
  }

  #granted(ask: Ask, grant: Grant, process: string): void {
    const untilMs = this.#untilMs(grant.ttlMs);
    const known = this.#known.get(ask.owner);
    this.#queued.delete(ask.owner);
    if (known !== undefined && known.first === grant.fences.first) return this.#extended(ask, grant.ttlMs);
    const { name, mode } = { name: ask.name.text, mode: ask.mode };
    this.#known.set(ask.owner, { process, name, mode, first: grant.fences.first, untilMs });
    const { first, last } = grant.fences;
    this.#recorder.add({
      type: 'minted',
      process,
      name,
      owner: ask.owner,
      mode,
      first,
      last,
      untilMs,
      ttlMs: grant.ttlMs,
      copy: this.copying,
    });
  }

  #extended(held: { readonly owner: string; readonly name: LockName }, ttlMs: number): void {
    const known = this.#known.get(held.owner);
    const untilMs = this.#untilMs(ttlMs);
    if (known !== undefined) known.untilMs = untilMs;
    this.#recorder.add({ type: 'extended', name: held.name.text, owner: held.owner, untilMs, copy: this.copying });
  }

  #ended(owner: string, by: 'released' | 'abandoned' | 'revoked' | 'stolen'): void {
    const known = this.#known.get(owner);
    if (known === undefined) return;
    this.#known.delete(owner);
    if (known.untilMs > this.#scheduler.nowMs) this.#recorder.add({ type: 'ended', name: known.name, owner, by });
  }
}
