import type { Keys } from './keys.js';
import { type KeyValue, lookBelow, remove, set, setAt } from './ops.js';
import type { Rpc } from './rpc.js';

/**
 * Indexes rise as long as the cluster lives; one that lost its data starts again at 1, and one restored from a snapshot may go back
 * to that. So fences count from an epoch, which stands in the store: the clock, in microseconds, when it was written. Where it is
 * not there, or indexes went back behind what this process has seen, a new one is written. No cluster makes a million writes a
 * second: the new fences are above all old ones, if the clock is right.
 *
 * It stands in a key of its own, named after it, whose presence every grant demands.
 */
export class Epoch {
  readonly #rpc: Rpc;
  readonly #keys: Keys;
  #known: number | undefined;
  /** The highest that was known: a new one is above it also where the clock is behind. */
  #last = 0;
  #loading: Promise<number> | undefined;

  constructor(rpc: Rpc, keys: Keys) {
    this.#rpc = rpc;
    this.#keys = keys;
  }

  async current(timeoutMs: number): Promise<number> {
    if (this.#known !== undefined) return this.#known;
    this.#loading ??= this.#load(timeoutMs).finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  /** Somebody else has written a new one, or it was deleted. */
  forget(old: number): void {
    if (this.#known === old) this.#known = undefined;
  }

  /** A new one, above everything that was minted on the old one, for what can be known of it. */
  async renew(old: number, timeoutMs: number): Promise<void> {
    const { pointer } = await this.#read(timeoutMs);
    // Else another process was faster.
    if (epochIn(pointer) <= old) await this.#write(pointer, this.#above(old), timeoutMs);
    // Another call of this process was faster.
    if (this.#known !== undefined && this.#known > old) return;
    this.#rpc.forgetIndex();
    this.#known = undefined;
  }

  async #load(timeoutMs: number): Promise<number> {
    for (;;) {
      const { pointer, isWhole } = await this.#read(timeoutMs);
      const value = epochIn(pointer);
      if (isWhole) {
        this.#known = value;
        this.#last = Math.max(this.#last, value);
        return value;
      }
      await this.#write(pointer, this.#above(value), timeoutMs);
    }
  }

  #above(old: number): number {
    return Math.max(nowUs(), Math.max(old, this.#last) + this.#rpc.highest + 1);
  }

  async #read(timeoutMs: number): Promise<{ readonly pointer: KeyValue | undefined; readonly isWhole: boolean }> {
    const { epoch } = this.#keys;
    const answer = await this.#rpc.txn('reading the epoch', [lookBelow(epoch)], timeoutMs);
    const kvs = answer.ok ? answer.kvs : [];
    const pointer = kvs.find(({ key }) => key === epoch);
    const value = epochIn(pointer);
    return { pointer, isWhole: value > 0 && kvs.some(({ key }) => key === this.#keys.epochOf(value)) };
  }

  /** Where several write, one succeeds, and all read that one. */
  async #write(over: KeyValue | undefined, value: number, timeoutMs: number): Promise<void> {
    const old = epochIn(over);
    const text = JSON.stringify({ holdfast: 1, epoch: value });
    const { epoch } = this.#keys;
    const ops = [setAt(epoch, over?.modifyIndex ?? 0, text), set(this.#keys.epochOf(value), '')];
    if (old > 0 && old !== value) ops.push(remove(this.#keys.epochOf(old)));
    await this.#rpc.txn('writing the epoch', ops, timeoutMs);
  }
}

/** 0 where there is none, or something else. */
export function epochIn(kv: KeyValue | undefined): number {
  if (kv === undefined) return 0;
  try {
    const { epoch } = JSON.parse(kv.value) as { readonly epoch?: unknown };
    return typeof epoch === 'number' && Number.isSafeInteger(epoch) ? epoch : 0;
  } catch {
    return 0;
  }
}

function nowUs(): number {
  return Date.now() * 1_000;
}
