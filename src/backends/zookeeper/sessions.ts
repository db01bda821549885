import type { Calls } from '../../core/calls.js';
import { limits } from '../../core/limits.js';
import type { ClientFactory } from './client.js';
import { closed } from './errors.js';
import { Session } from './session.js';

/**
 * How much longer a session is than the leases in it. A follower tells the leader of its sessions every half tick, and a
 * session lasts at least two ticks: what the leader has not heard yet is at most a quarter of it.
 */
const sessionPerTtl = 1.5;

/**
 * One session for each class of TTLs. A node of a crashed process ends with its session, so a session that fits long leases
 * would make everybody wait long for the short ones.
 */
export class Sessions {
  readonly #open: ClientFactory;
  readonly #calls: Calls;
  readonly #ended: (session: Session) => void;
  readonly #sessions = new Map<number, Session>();
  #closed = false;

  constructor(open: ClientFactory, calls: Calls, ended: (session: Session) => void) {
    this.#open = open;
    this.#calls = calls;
    this.#ended = ended;
  }

  /** The session that leases with this TTL live in. */
  of(ttlMs: number): Session {
    if (this.#closed) throw closed();
    const classMs = classOf(ttlMs);
    let session = this.#sessions.get(classMs);
    if (session === undefined) {
      session = new Session(this.#open, classMs * sessionPerTtl, this.#calls, this.#ended);
      this.#sessions.set(classMs, session);
    }
    return session;
  }

  /** Any one, for what is not about a lease: one that is there already, if possible. */
  any(): Session {
    if (this.#closed) throw closed();
    for (const session of this.#sessions.values()) if (session.connected) return session;
    return this.of(limits.ttlMsDefault);
  }

  get anyConnected(): boolean {
    return [...this.#sessions.values()].some((session) => session.connected);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#sessions.values()].map((session) => session.close()));
  }
}

/** Servers allow no shorter sessions: two ticks, of two seconds each unless somebody has changed them. */
const classMsMin = 1_000;

/** 1,000, 2,000, 5,000, 10,000, … : the next of these that is not shorter. */
function classOf(ttlMs: number): number {
  for (let base = classMsMin; ; base *= 10) {
    for (const step of [1, 2, 5]) if (step * base >= ttlMs) return step * base;
  }
}

/** How long a lease may count on its node: not as long as the session. */
export function promisedMs(ttlMs: number, sessionTimeoutMs: number): number {
  return Math.min(ttlMs, Math.floor(sessionTimeoutMs / sessionPerTtl));
}
