import { elapsedMs, type Instant } from '../../core/clock.js';
import { limits } from '../../core/limits.js';
import { parsed, type Rpc } from './rpc.js';

/**
 * What locks keys, so that Consul deletes them when nobody keeps it any more. It ends no lease that still counts: its TTL is at least
 * twice that of the leases under it, and Consul waits twice as long as it says.
 */
export interface Session {
  readonly id: string;
  readonly key: string;
  readonly ttlMs: number;
  /** Read before it was made or last renewed. */
  keptAt: Instant;
}

/** `mark`: never renewed. What it locks is gone some time after its TTL. */
export type Kind = 'hold' | 'mark';

const sessionMsMax = 86_400_000;
/** Shorter leases share a session with these: its TTL is then 10 s, the shortest that Consul takes by default. */
const classMsMin = 5_000;
const lockDelayMsMax = 60_000;
/** How long one `mark` session is given to more marks. */
const markSharedMs = 20_000;
/** Renewed when this share of its TTL has gone by. */
const renewAfterRatio = 1 / 3;

export class Sessions {
  readonly #rpc: Rpc;
  readonly #known = new Map<string, Session>();
  readonly #pending = new Map<string, Promise<Session>>();

  constructor(rpc: Rpc) {
    this.#rpc = rpc;
  }

  /** One that will last. @param leaseMs of the lease that is to be under it */
  async current(kind: Kind, leaseMs: number, timeoutMs: number): Promise<Session> {
    const classMs = kind === 'mark' ? limits.tombstoneMs : classOf(leaseMs);
    const key = `${kind} ${classMs}`;
    const known = this.#known.get(key);
    if (known !== undefined && !this.#isDue(known)) return known;
    let pending = this.#pending.get(key);
    if (pending === undefined) {
      pending = this.#make(kind, key, classMs, timeoutMs).finally(() => this.#pending.delete(key));
      this.#pending.set(key, pending);
    }
    return pending;
  }

  byId(id: string): Session | undefined {
    for (const session of this.#known.values()) if (session.id === id) return session;
    return undefined;
  }

  /** How long it lasts at least, if it is not ended by hand. */
  leftMs(session: Session, from: Instant = this.#rpc.ports.now()): number {
    return session.ttlMs - elapsedMs(session.keptAt, from);
  }

  /** Renews it if that is due. False if it is gone. */
  async keep(session: Session, timeoutMs: number): Promise<boolean> {
    return this.#isDue(session) ? this.#renew(session, timeoutMs) : true;
  }

  /** Renews it, due or not: if it is gone, it is known to be gone after that. */
  async confirm(session: Session, timeoutMs: number): Promise<void> {
    await this.#renew(session, timeoutMs);
  }

  /** Nothing can be locked with it any more. */
  gone(id: string): void {
    const session = this.byId(id);
    if (session !== undefined) this.#known.delete(session.key);
  }

  /** Ended at once where nothing is locked that still counts. */
  async end(isInUse: (session: Session) => boolean, timeoutMs: number): Promise<void> {
    const idle = [...this.#known.values()].filter((session) => !session.key.startsWith('mark') && !isInUse(session));
    this.#known.clear();
    const end = ({ id }: Session) =>
      this.#rpc.call('ending a session', { method: 'PUT', path: `/v1/session/destroy/${id}` }, timeoutMs);
    // Else they end with their TTL.
    await Promise.all(idle.map((session) => end(session).catch(() => undefined)));
  }

  #isDue(session: Session): boolean {
    const passedMs = elapsedMs(session.keptAt, this.#rpc.ports.now());
    return passedMs > (session.key.startsWith('mark') ? markSharedMs : session.ttlMs * renewAfterRatio);
  }

  async #make(kind: Kind, key: string, classMs: number, timeoutMs: number): Promise<Session> {
    const known = this.#known.get(key);
    if (known !== undefined && kind !== 'mark') {
      try {
        if (await this.#renew(known, timeoutMs)) return known;
      } catch (error) {
        if (this.leftMs(known) < known.ttlMs / 2) throw error;
        return known;
      }
    }
    const made = await this.#create(kind, key, classMs, timeoutMs);
    this.#known.set(key, made);
    return made;
  }

  async #renew(session: Session, timeoutMs: number): Promise<boolean> {
    const sentAt = this.#rpc.ports.now();
    const path = `/v1/session/renew/${session.id}`;
    const { status } = await this.#rpc.call('renewing a session', { method: 'PUT', path }, timeoutMs);
    if (status === 404) {
      this.gone(session.id);
      return false;
    }
    session.keptAt = sentAt;
    return true;
  }

  async #create(kind: Kind, key: string, classMs: number, timeoutMs: number): Promise<Session> {
    const wantedMs = kind === 'mark' ? classMs + markSharedMs : 2 * classMs;
    const lockDelayMs = kind === 'hold' ? Math.min(classMs, lockDelayMsMax) : 0;
    return { ...(await createSession(this.#rpc, kind, wantedMs, lockDelayMs, timeoutMs)), key };
  }
}

/** At least so long: the servers may know a shortest time, and say so. */
export async function createSession(
  rpc: Rpc,
  what: string,
  wantedMs: number,
  lockDelayMs: number,
  timeoutMs: number,
): Promise<Omit<Session, 'key'>> {
  const path = '/v1/session/create';
  let ttlMs = Math.min(Math.ceil(wantedMs), sessionMsMax);
  for (let tries = 1; ; tries++) {
    const keptAt = rpc.ports.now();
    const body = JSON.stringify({
      Name: `holdfast ${what}`,
      TTL: `${ttlMs}ms`,
      LockDelay: `${lockDelayMs}ms`,
      Behavior: 'delete',
      // Of a node's health it knows nothing: a slow agent must not end leases.
      NodeChecks: [],
      Checks: [],
    });
    try {
      const { text } = await rpc.call('making a session', { method: 'PUT', path, body }, timeoutMs);
      return { id: parsed('making a session', text, () => idIn(text)), ttlMs, keptAt };
    } catch (error) {
      const minMs = leastIn(error);
      if (minMs === undefined || minMs <= ttlMs || tries > 1) throw error;
      ttlMs = Math.min(minMs, sessionMsMax);
    }
  }
}

function idIn(text: string): string {
  const { ID } = JSON.parse(text) as { readonly ID?: unknown };
  if (typeof ID !== 'string') throw new TypeError('a session without an ID');
  return ID;
}

/** Leases of similar length share a session: 5 s, 10 s, 20 s, … */
export function classOf(leaseMs: number): number {
  let classMs = classMsMin;
  while (classMs < leaseMs) classMs *= 2;
  return classMs;
}

/** "Invalid Session TTL '10000000000', must be between [1m0s=24h0m0s]" */
function leastIn(error: unknown): number | undefined {
  const text = /must be between \[([^=]+)=/.exec(String((error as Error).message))?.[1];
  if (text === undefined) return undefined;
  const units: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };
  let sumMs = 0;
  for (const [, count, unit = ''] of text.matchAll(/([\d.]+)(ms|h|m|s)/g)) sumMs += Number(count) * (units[unit] ?? 0);
  return sumMs > 0 ? sumMs : undefined;
}
