import type { Ports } from '../../../../core/clock.js';

interface Entry {
  readonly dueMs: number;
  readonly fire: () => void;
}

/** Time that stands still unless it is moved, the same for all. No jitter: a world is a function of the choices made in it. */
export class ManualClock {
  nowMs = 0;
  /** In the order in which they were set. */
  readonly #timers = new Set<Entry>();

  ports(name: string): Ports {
    let nonce = 0;
    return {
      now: () => ({ monotonicMs: this.nowMs, uptimeMs: this.nowMs, wallMs: this.nowMs }),
      timer: (delayMs, fire) => {
        const entry = { dueMs: this.nowMs + Math.max(0, delayMs), fire };
        this.#timers.add(entry);
        return { cancel: () => void this.#timers.delete(entry) };
      },
      randomOwner: () => name,
      random: () => 0.5,
      identity: () => ({ host: name, pid: 1, bootId: '', startedAt: '', nonce: String(nonce++) }),
      warn: () => {},
    };
  }

  /** The next timer that is due by then, at its time; false if there is none. */
  fireNext(untilMs: number): boolean {
    let next: Entry | undefined;
    for (const entry of this.#timers)
      if (entry.dueMs <= untilMs && (next === undefined || entry.dueMs < next.dueMs)) next = entry;
    if (next === undefined) return false;
    this.#timers.delete(next);
    this.nowMs = Math.max(this.nowMs, next.dueMs);
    next.fire();
    return true;
  }
}
