import { elapsedMs, type Instant } from '../../core/clock.js';
import type { Rpc } from './rpc.js';
import { createSession } from './sessions.js';

interface Shared {
  readonly id: Promise<string>;
  readonly madeAt: Instant;
}

/** A session serves all records of one length that are written within this share of it: a tenth is what it lasts longer for that. */
const sharedRatio = 0.1;
/** Lengths that are remembered. */
const lengthsMax = 100;

/** Sessions that nobody renews: what they lock is deleted by Consul when they are over. */
export class RecordSessions {
  readonly #rpc: Rpc;
  readonly #byLength = new Map<number, Shared>();

  constructor(rpc: Rpc) {
    this.#rpc = rpc;
  }

  /** One that lasts at least so long from now. */
  async for(ttlMs: number, timeoutMs: number): Promise<string> {
    const lengthMs = Math.ceil(ttlMs);
    const known = this.#byLength.get(lengthMs);
    const now = this.#rpc.ports.now();
    if (known !== undefined && elapsedMs(known.madeAt, now) < lengthMs * sharedRatio) return known.id;
    const made: Shared = { id: this.#create(lengthMs, timeoutMs), madeAt: now };
    this.#byLength.delete(lengthMs);
    this.#byLength.set(lengthMs, made);
    for (const oldest of this.#byLength.keys()) {
      if (this.#byLength.size <= lengthsMax) break;
      this.#byLength.delete(oldest);
    }
    made.id.catch(() => this.#byLength.get(lengthMs) === made && this.#byLength.delete(lengthMs));
    return made.id;
  }

  forget(): void {
    this.#byLength.clear();
  }

  async #create(lengthMs: number, timeoutMs: number): Promise<string> {
    const { id } = await createSession(this.#rpc, 'record', lengthMs * (1 + sharedRatio), 0, timeoutMs);
    return id;
  }
}
