import type {
  Ballot,
  Claim,
  HoldCopy,
  Joined,
  NodeHolder,
  NodeRenewal,
  Standing,
  Terms,
  Vote,
  Confirmed,
} from '../../../backends/redlock/node.js';
import type { Held, LockRecord, Release, RevokedBy } from '../../../core/backend.js';
import type { LockName } from '../../../core/name.js';
import { bury, type Cell, copyOf, isEnded, type Lock, newCell, recordOf } from './cell.js';
import { joined, type Past, standingOf } from './past.js';
import { Upkeep } from './upkeep.js';

/** All that lies on a node's disk. */
export interface NodeState {
  past: Past | undefined;
  readonly cells: Map<string, Cell>;
}

export interface NodeOptions {
  /** Its wall clock, in microseconds. */
  readonly nowUs: () => number;
  readonly durable: boolean;
  /** Tells whoever waits on a channel; false if nobody listens there. */
  readonly publish: (channel: string, name: LockName) => boolean;
}

type Voted = Standing & { readonly vote?: Vote };
type Repaired = Standing & { readonly repaired: boolean };

/** A proposal further ahead of this node's clock than that, or than half its grace, is not followed. */
const proposalAheadUsMax = 10_000_000;

/** One that its clock has passed by more than that is not followed either; by anything, where it knows no fence of the name. */
const proposalLateUsMax = 1_000_000;

/**
 * One node in memory, by the rules of the scripts in `backends/redlock/redis/scripts`: a method for each, which does it in one
 * step. `test/redlock/model.test.ts` holds the two to the same answers.
 */
export class VirtualNode {
  readonly #options: NodeOptions;
  #incarnation: string;
  #state: NodeState = { past: undefined, cells: new Map() };

  constructor(options: NodeOptions, incarnation: string) {
    this.#options = options;
    this.#incarnation = incarnation;
  }

  /** Another incarnation, with what it finds on its disk. */
  restart(incarnation: string, state: NodeState): void {
    this.#incarnation = incarnation;
    this.#state = state;
  }

  /** As of now. */
  get state(): NodeState {
    return { past: this.#state.past, cells: new Map([...this.#state.cells].map(([name, cell]) => [name, copyOf(cell)])) };
  }

  join(terms: Terms): Joined {
    const { nowUs, durable } = this.#options;
    const { past, standing } = joined(this.#state.past, this.#incarnation, terms, durable, nowUs());
    this.#state.past = past;
    return { ...standing, incarnation: this.#incarnation };
  }

  vote({ ask, round, proposal, robs }: Ballot, incarnation: string, channel: string): Voted {
    const standing = this.#standing(incarnation);
    if (standing.state !== 'votes') return standing;
    this.#noteTtl(ask.ttlMs);
    const { name, owner } = ask;
    const nowMs = this.#nowMs;
    const cell = this.#cell(name);
    const expiresMs = nowMs + Math.ceil(ask.ttlMs);
    const held = this.#lock(cell);
    if (held?.ask.owner === owner) {
      cell.lock = { ...held, round: Math.max(round, held.round), expiresMs };
      return { ...standing, vote: yes(cell.lock, []) };
    }
    if (isEnded(cell, owner, round, nowMs)) return { ...standing, vote: { outcome: 'ended' } };
    // Its own grant was the last, and is over: a late copy.
    if (cell.fence.owner === owner && round <= cell.fence.round) return { ...standing, vote: { outcome: 'ended' } };
    if (held !== undefined && (robs === undefined || held.round > round)) {
      if (channel !== '') cell.waiting.add(channel);
      return { ...standing, vote: { outcome: 'held', holder: recordOf(held, nowMs) } };
    }
    if (held !== undefined) bury(cell, held.ask.owner, nowMs, undefined, robs);
    const first = this.#mint(cell.fence.last, standing.nowUs, Math.floor(proposal));
    cell.lock = { ask, round, first, last: first + ask.fences - 1, sinceMs: nowMs, expiresMs };
    cell.fence = { last: cell.lock.last, owner, round };
    cell.waiting.delete(channel);
    return { ...standing, vote: yes(cell.lock, held === undefined ? [] : [recordOf(held, nowMs)]) };
  }

  confirm({ name, owner, round, first, last }: Claim, incarnation: string): Confirmed {
    const standing = this.#standing(incarnation);
    const cell = this.#cell(name);
    const lock = this.#lock(cell);
    if (standing.state !== 'votes') return standing;
    if (lock?.ask.owner !== owner) return { ...standing, outcome: 'absent' };
    if (round < lock.round) return { ...standing, outcome: 'superseded' };
    cell.fence = { last: Math.max(cell.fence.last, Number(last)), owner, round };
    cell.lock = { ...lock, first: Number(first), last: Number(last), round };
    return { ...standing, outcome: 'confirmed' };
  }

  renew(holds: readonly Held[], incarnation: string): Standing & { readonly renewals: readonly NodeRenewal[] } {
    const standing = this.#standing(incarnation);
    if (standing.state === 'stranger') return { ...standing, renewals: [] };
    return { ...standing, renewals: holds.map((held) => this.#upkeep(held).renew()) };
  }

  copy(held: Held): HoldCopy | undefined {
    return this.#upkeep(held).copy();
  }

  repair(held: Held, copy: HoldCopy, untilUs: number, incarnation: string): Repaired {
    const standing = this.#standing(incarnation);
    const repaired = standing.state === 'votes' && this.#upkeep(held).repair(copy, Math.floor(untilUs / 1_000));
    if (repaired) this.#noteTtl(held.ttlMs);
    return { ...standing, repaired };
  }

  release({ name, owner }: Held): Release {
    const cell = this.#cell(name);
    const lock = this.#lock(cell);
    if (lock?.ask.owner === owner) {
      this.#free(cell, name);
      return 'released';
    }
    bury(cell, owner, this.#nowMs);
    return lock === undefined ? 'absent' : 'not-owner';
  }

  abandon(name: LockName, owner: string, round?: number): void {
    const cell = this.#cell(name);
    const lock = this.#lock(cell);
    bury(cell, owner, this.#nowMs, round);
    if (lock?.ask.owner !== owner || (round !== undefined && lock.round > round)) return;
    cell.lock = undefined;
    if (round === undefined) this.#wake(cell, name);
  }

  roundOf(name: LockName): number | undefined {
    return this.#lock(this.#cell(name))?.round;
  }

  holderOf(name: LockName): NodeHolder | undefined {
    const lock = this.#lock(this.#cell(name));
    return lock === undefined ? undefined : { owner: lock.ask.owner, record: recordOf(lock, this.#nowMs) };
  }

  revoke(name: LockName, by: RevokedBy, upToRound: number, only = ''): readonly LockRecord[] {
    const cell = this.#cell(name);
    const lock = this.#lock(cell);
    if (lock === undefined || lock.round > upToRound || (only !== '' && only !== lock.ask.owner)) return [];
    bury(cell, lock.ask.owner, this.#nowMs, undefined, by);
    this.#free(cell, name);
    return [recordOf(lock, this.#nowMs)];
  }

  read(name: LockName): readonly LockRecord[] {
    const lock = this.lockOf(name);
    return lock === undefined ? [] : [recordOf(lock, this.#nowMs)];
  }

  list(prefix: string): readonly LockRecord[] {
    return this.locks.filter(({ ask }) => ask.name.text.startsWith(prefix)).map((lock) => recordOf(lock, this.#nowMs));
  }

  /** A wake-up reached nobody who waits. */
  passOn(name: LockName): void {
    const cell = this.#cell(name);
    if (this.#lock(cell) === undefined) this.#wake(cell, name);
  }

  get votes(): boolean {
    return this.#standing(this.#incarnation).state === 'votes';
  }

  get locks(): readonly Lock[] {
    return [...this.#state.cells.values()].flatMap((cell) => this.#lock(cell) ?? []);
  }

  lockOf(name: LockName): Lock | undefined {
    return this.#lock(this.#cell(name));
  }

  /** It is still the last that this node knows of the name, and has run out. */
  lapsed(lock: Lock): boolean {
    return this.#cell(lock.ask.name).lock === lock && this.lockOf(lock.ask.name) === undefined;
  }

  get #nowMs(): number {
    return Math.floor(this.#options.nowUs() / 1_000);
  }

  #cell({ encoded }: LockName): Cell {
    const known = this.#state.cells.get(encoded);
    if (known !== undefined) return known;
    const cell = newCell();
    this.#state.cells.set(encoded, cell);
    return cell;
  }

  /** Of a hold, by what is known of its name now. */
  #upkeep(held: Held): Upkeep {
    const cell = this.#cell(held.name);
    this.#lock(cell);
    return new Upkeep(cell, held, this.#nowMs);
  }

  /** Gone when the millisecond of its end is over. */
  #lock(cell: Cell): Lock | undefined {
    if (cell.lock !== undefined && this.#nowMs > cell.lock.expiresMs) cell.lock = undefined;
    return cell.lock;
  }

  #free(cell: Cell, name: LockName): void {
    cell.lock = undefined;
    this.#wake(cell, name);
  }

  /** One of them, and whoever does not listen any more is passed over. */
  #wake(cell: Cell, name: LockName): void {
    for (const channel of [...cell.waiting].slice(0, 16)) {
      cell.waiting.delete(channel);
      if (this.#options.publish(channel, name)) return;
    }
  }

  #noteTtl(ttlMs: number): void {
    const { past } = this.#state;
    if (past !== undefined && Math.ceil(ttlMs) > past.ttlMs) this.#state.past = { ...past, ttlMs: Math.ceil(ttlMs) };
  }

  #mint(lastFence: number, nowUs: number, proposal: number): number {
    const isAhead = proposal > nowUs + Math.min(proposalAheadUsMax, 500 * (this.#state.past?.graceMs ?? 0));
    const isLate = proposal < nowUs - (lastFence > 0 ? proposalLateUsMax : 0);
    return proposal > lastFence && !isAhead && !isLate ? proposal : Math.max(lastFence + 1, nowUs);
  }

  #standing(incarnation: string): Standing {
    const { past } = this.#state;
    const nowUs = this.#options.nowUs();
    const isKnown = incarnation === this.#incarnation && past?.incarnation === incarnation;
    if (!isKnown) return { state: 'stranger', votesInMs: 0, nowUs };
    const found = standingOf(past, nowUs);
    this.#state.past = found.past;
    return found.standing;
  }
}

function yes({ first, last }: Lock, ended: readonly LockRecord[]): Vote {
  return { outcome: 'yes', first: BigInt(first), last: BigInt(last), ended };
}
