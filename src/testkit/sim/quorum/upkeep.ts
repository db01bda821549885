import type { HoldCopy, NodeRenewal } from '../../../backends/redlock/node.js';
import type { Held } from '../../../core/backend.js';
import { type Cell, isEnded, type Lock } from './cell.js';

/** What a node does for a hold that it has, or should have: the scripts `renew`, `copy` and `repair`. */
export class Upkeep {
  readonly #cell: Cell;
  readonly #held: Held;
  readonly #nowMs: number;

  /** @param cell without a lock that has run out */
  constructor(cell: Cell, held: Held, nowMs: number) {
    this.#cell = cell;
    this.#held = held;
    this.#nowMs = nowMs;
  }

  renew(): NodeRenewal {
    const { owner, ttlMs } = this.#held;
    const { lock, ended } = this.#cell;
    if (lock?.ask.owner === owner) {
      this.#cell.lock = { ...lock, expiresMs: this.#nowMs + Math.ceil(ttlMs) };
      return { outcome: 'renewed' };
    }
    const by = ended.get(owner)?.why;
    return { outcome: lock === undefined ? 'gone' : 'not-yours', ...(by === undefined ? {} : { by }) };
  }

  copy(): HoldCopy | undefined {
    const { lock } = this.#cell;
    if (lock?.ask.owner !== this.#held.owner) return undefined;
    const { ask, sinceMs, round, first, last, expiresMs } = lock;
    const text = JSON.stringify({ ask, sinceMs });
    return { round, first: BigInt(first), last: BigInt(last), text, leftMs: Math.max(0, expiresMs - this.#nowMs) };
  }

  /** However late this arrives, the hold ends when it would have ended. */
  repair(copy: HoldCopy, untilMs: number): boolean {
    const { owner, ttlMs } = this.#held;
    const { round } = copy;
    const leftMs = Math.min(untilMs - this.#nowMs, Math.ceil(ttlMs));
    if (leftMs < 1 || this.#cell.lock !== undefined || isEnded(this.#cell, owner, round, this.#nowMs)) return false;
    const [first, last] = [Number(copy.first), Number(copy.last)];
    const known = JSON.parse(copy.text) as Pick<Lock, 'ask' | 'sinceMs'>;
    this.#cell.fence = { last: Math.max(this.#cell.fence.last, last), owner, round };
    this.#cell.lock = { ...known, round, first, last, expiresMs: this.#nowMs + leftMs };
    return true;
  }
}
