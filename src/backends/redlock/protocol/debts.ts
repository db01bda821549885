import { backoffMs } from '../../../core/backoff.js';
import type { Ports, Timer } from '../../../core/clock.js';
import { limits } from '../../../core/limits.js';
import type { LockName } from '../../../core/name.js';
import type { Member } from './member.js';

/** What one node still has to be told: that an owner has nothing there any more. */
interface Debt {
  readonly name: LockName;
  readonly owner: string;
  /** Ballots up to it; all without one. */
  readonly round: number | undefined;
  readonly ttlMs: number;
  readonly untilMs: number;
}

const nobody: ReadonlySet<string> = new Set();

/** Sent at the same time to a node that has come back. */
const atOnce = 16;

/**
 * What a node that gave no answer is told again and again, until it has confirmed or nothing can be left there. One
 * try at a time finds out whether it is back; then it gets the rest. Nothing of this keeps the process alive: what is
 * left undone ends with its TTL.
 */
export class Debts {
  readonly #member: Member;
  readonly #ports: Ports;
  /** In the order in which they came. */
  readonly #owed = new Set<Debt>();
  /** By owner, how many are owed or on their way. */
  readonly #unpaid = new Map<string, number>();
  #sent = 0;
  #failures = 0;
  #timer: Timer | undefined;
  #closed = false;

  constructor(member: Member, ports: Ports) {
    this.#member = member;
    this.#ports = ports;
  }

  owe(name: LockName, owner: string, round: number | undefined, ttlMs: number): void {
    if (this.#closed) return;
    // Twice: a copy of the ballot that a client library sends again makes the vote last anew.
    const debt = { name, owner, round, ttlMs, untilMs: this.#nowMs + 2 * ttlMs };
    this.#unpaid.set(owner, (this.#unpaid.get(owner) ?? 0) + 1);
    if (this.#owed.size === 0 && !this.#member.rests) return this.#send(debt);
    this.#keep(debt);
  }

  /** The node has answered something: it can be told now. */
  heard(): void {
    if (this.#owed.size === 0 || this.#sent > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#paid();
  }

  /** Those of the owners of whom the node may still delete what they have there, until it has confirmed that it did. */
  owing(owners: readonly string[]): ReadonlySet<string> {
    if (this.#unpaid.size === 0) return nobody;
    return new Set(owners.filter((owner) => this.#unpaid.has(owner)));
  }

  /** All of it once more and at once, also to a node that is skipped: it may be back. */
  sendAll(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#forget();
    const all = [...this.#owed];
    this.#owed.clear();
    for (const debt of all) this.#send(debt);
  }

  /** What is still owed is left to its TTL. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#owed.clear();
  }

  get #nowMs(): number {
    return this.#ports.now().monotonicMs;
  }

  #keep(debt: Debt): void {
    this.#owed.add(debt);
    const [oldest] = this.#owed;
    if (oldest !== undefined && this.#owed.size > limits.backgroundMax) this.#drop(oldest);
    this.#arm();
  }

  #send(debt: Debt): void {
    const { name, owner, round, ttlMs } = debt;
    this.#sent += 1;
    this.#member
      .call('taking an ask back', ttlMs, () => this.#member.node.abandon(name, owner, round))
      .finally(() => {
        this.#sent -= 1;
      })
      .then(
        () => {
          this.#settled(debt);
          this.#paid();
        },
        () => this.#failed(debt),
      );
  }

  #paid(): void {
    this.#failures = 0;
    this.#forget();
    for (const debt of this.#owed) {
      if (this.#sent >= atOnce) break;
      this.#owed.delete(debt);
      this.#send(debt);
    }
  }

  #failed(debt: Debt): void {
    this.#failures += 1;
    if (!this.#closed && debt.untilMs > this.#nowMs) this.#keep(debt);
    else this.#settled(debt);
  }

  #drop(debt: Debt): void {
    this.#owed.delete(debt);
    this.#settled(debt);
  }

  #settled({ owner }: Debt): void {
    const left = (this.#unpaid.get(owner) ?? 0) - 1;
    if (left > 0) this.#unpaid.set(owner, left);
    else this.#unpaid.delete(owner);
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#closed) return;
    const pauseMs = backoffMs(Math.max(1, this.#failures), limits.backoffMsMin, limits.backoffMsMax, this.#ports.random());
    this.#timer = this.#ports.timer(
      pauseMs,
      () => {
        this.#timer = undefined;
        this.#forget();
        const [first] = this.#owed;
        if (first === undefined) return;
        this.#owed.delete(first);
        this.#send(first);
      },
      true,
    );
  }

  #forget(): void {
    const nowMs = this.#nowMs;
    for (const debt of this.#owed) if (debt.untilMs <= nowMs) this.#drop(debt);
  }
}
