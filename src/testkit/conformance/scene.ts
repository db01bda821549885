import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Ask, Backend, Held, LockRecord, Traits } from '../../core/backend.js';
import { Holdfast } from '../../core/holdfast.js';
import { limits } from '../../core/limits.js';
import { type LockName, parseName } from '../../core/name.js';
import { readNodeIdentity } from '../../core/node.js';
import type { HoldfastOptions } from '../../core/options.js';
import type { Fixture, Need } from './fixture.js';
import { listedAt, timeless } from './records-of.js';
import { eventually, within } from './time.js';
import { type Faults, takingTurns, wrapped } from './wrappers.js';

/** Two looks at a name in which something goes on agree after some tries; those of a store that is wrong never do. */
const agreeTries = 50;
const agreePauseMs = 10;

/** How long a case that failed may take to withdraw its asks, and how many at once. */
const takingBackMs = 5_000;
const atOnce = 50;

/** Everything one case works with: clients of the store, names nobody else uses, and the check that nothing is left. */
export class Scene {
  /** The first client. */
  readonly store: Backend;
  readonly fixture: Fixture;
  readonly #backends: Backend[];
  readonly #instances: Holdfast[] = [];
  readonly #names = new Map<string, LockName>();
  readonly #asks: Ask[] = [];
  readonly #run = randomBytes(6).toString('hex');

  private constructor(fixture: Fixture, store: Backend) {
    this.fixture = fixture;
    this.store = store;
    this.#backends = [store];
  }

  static async open(fixture: Fixture): Promise<Scene> {
    return new Scene(fixture, takingTurns(await fixture.open()));
  }

  get traits(): Traits {
    return this.store.traits;
  }

  /** A TTL whose end a case can wait for. */
  get shortMs(): number {
    return this.#ttl(300);
  }

  /** A TTL that a case can wait for too, but that survives the pauses of a busy machine when it is renewed. */
  get steadyMs(): number {
    return this.#ttl(1_000);
  }

  /** A TTL that is not over before the case is: whatever is left behind under it is found. */
  get longMs(): number {
    return this.#ttl(60_000);
  }

  #ttl(ms: number): number {
    return Math.min(Math.max(ms, this.traits.ttlMs.min), this.traits.ttlMs.max);
  }

  get graceMs(): number {
    return this.fixture.graceMs ?? 2_000;
  }

  lacks(needs: readonly Need[]): string | undefined {
    for (const need of needs) {
      if (need === 'no-shared' && this.traits.shared) return 'the store has a shared mode';
      if ((need === 'shared' || need === 'queue' || need === 'push') && !this.traits[need]) return `traits.${need} is false`;
    }
    return undefined;
  }

  /** Another client of the same store. */
  async open(): Promise<Backend> {
    const backend = takingTurns(await this.fixture.open());
    this.#backends.push(backend);
    return backend;
  }

  /** An instance on a client of its own, behind these faults. Closing it closes that client. */
  async holdfast(options: HoldfastOptions = {}, faults: Faults = {}): Promise<Holdfast> {
    const locks = new Holdfast(wrapped(await this.open(), faults), { ttlMs: this.longMs, ...options });
    this.#instances.push(locks);
    return locks;
  }

  /** What this scene's names begin with. */
  get prefix(): string {
    return `conformance/${this.#run}/`;
  }

  name(suffix = 'lock'): LockName {
    return this.watchName(this.prefix + suffix);
  }

  /** Any text; the scene checks at its end that the store has nothing under it. */
  watchName(text: string): LockName {
    const name = parseName(text);
    this.#names.set(text, name);
    return name;
  }

  ask(name: LockName, over: Partial<Ask> = {}): Ask {
    const owner = randomBytes(16).toString('base64url');
    const node = readNodeIdentity();
    const base = { name, owner, mode: 'exclusive', ttlMs: this.longMs, fences: 1, enqueue: false, node, metadata: {} } as const;
    const ask = { ...base, ...over };
    this.#asks.push(ask);
    return ask;
  }

  /** An ask that was granted. */
  async hold(name: LockName, over: Partial<Ask> = {}, backend: Backend = this.store): Promise<Ask> {
    const ask = this.ask(name, over);
    const answer = await backend.acquire(ask);
    assert.equal(answer.outcome, 'granted', `a free name must be granted, the store answered ${show(answer)}`);
    return ask;
  }

  /** An ask that was refused and took a place in the queue. */
  async wait(name: LockName, over: Partial<Ask> = {}, backend: Backend = this.store): Promise<Ask> {
    const ask = this.ask(name, { enqueue: true, ...over });
    const answer = await backend.acquire(ask);
    assert.equal(answer.outcome, 'refused', `a name that is held must be refused, the store answered ${show(answer)}`);
    return ask;
  }

  /** Holds and places of exactly this name, of which `read` and `list` say the same. */
  async records(name: LockName, backend: Backend = this.store): Promise<readonly LockRecord[]> {
    for (let tries = 1; ; tries++) {
      const read = await backend.read(name);
      const listed = timeless(await listedAt(backend, name));
      if (isDeepStrictEqual(listed, timeless(read))) return read;
      // Something happened between the two; or they never agree.
      if (tries === agreeTries) assert.deepEqual(listed, timeless(read), 'list() and read() show the same of a name');
      await sleep(agreePauseMs);
    }
  }

  async holders(name: LockName, backend: Backend = this.store): Promise<LockRecord[]> {
    return (await this.records(name, backend)).filter((record) => record.state === 'held');
  }

  async waiters(name: LockName, backend: Backend = this.store): Promise<LockRecord[]> {
    return (await this.records(name, backend)).filter((record) => record.state === 'waiting');
  }

  /** Waits until the store let go of a hold that nobody renews. */
  async expiry(held: Pick<Held, 'name' | 'ttlMs'>): Promise<void> {
    await this.gone(held.name, held.ttlMs + this.graceMs, 'an expired hold must vanish');
  }

  async gone(name: LockName, withinMs: number, what: string): Promise<void> {
    await eventually(async () => assert.deepEqual((await this.holders(name)).map(show), [], what), withinMs);
  }

  /** @throws if something is left; the scene is then still open */
  async end(): Promise<void> {
    await Promise.all(this.#instances.map((locks) => locks.close()));
    await eventually(() => this.#checkNothingLeft(), this.graceMs + limits.claimMs);
    await this.abort();
  }

  /** Closes what is open, whatever state it is in. */
  async abort(): Promise<void> {
    await settledSoon(this.#instances.map((locks) => locks.close()));
    await settledSoon(this.#backends.map((backend) => backend.close()));
  }

  /** The same, and withdraws all that was asked for, as far as the store can be told. */
  async giveUp(): Promise<void> {
    await settledSoon(this.#instances.map((locks) => locks.close()));
    await settledSoon([this.#takeBack()], takingBackMs);
    await this.abort();
  }

  async #takeBack(): Promise<void> {
    for (let i = 0; i < this.#asks.length; i += atOnce) {
      const some = this.#asks.slice(i, i + atOnce);
      await Promise.all(some.map((ask) => eventually(() => this.store.abandon(ask), takingBackMs / 2).catch(() => undefined)));
    }
  }

  /** Work in the background may still be tidying, so this is tried for a while; an orphan under a long TTL outlasts that. */
  async #checkNothingLeft(): Promise<void> {
    const left: string[] = [];
    for await (const record of this.store.list(this.prefix)) left.push(show(record));
    for (const name of this.#names.values()) {
      if (!name.text.startsWith(this.prefix)) left.push(...(await this.records(name)).map(show));
    }
    assert.deepEqual(left, [], 'nothing may be left in the store');
  }
}

/** A case that failed may have left callbacks that never end, and a broken backend may never close. */
async function settledSoon(promises: readonly Promise<unknown>[], withinMs = 2_000): Promise<void> {
  await within(Promise.allSettled(promises), withinMs, 'closing').catch(() => undefined);
}

/** For messages: bigints are no JSON. */
export function show(value: unknown): string {
  return JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? `${part}n` : part));
}
