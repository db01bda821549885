import { HoldfastError, LeaseLostError } from '../../core/errors.js';
import type { HeldLease } from '../../core/lease.js';
import { machineMs } from '../time.js';
import { say } from './say.js';

/** Often enough that a belief that is a few milliseconds too long is seen. */
const touchEveryMs = 10;

/** One lease, as a worker believes in it. */
export class WorkerTurn {
  readonly turn: number;
  /** Picked up at the beginning, as code does that pauses between this and its write. */
  readonly fence: string;
  readonly #lease: HeldLease;
  #timer: NodeJS.Timeout | undefined;
  #touchedMs = machineMs();

  constructor(turn: number, lease: HeldLease) {
    this.turn = turn;
    this.#lease = lease;
    // Before the drill hears of the grant: from then on this process may be stopped, and a loss that is found before there is a listener is told to nobody.
    const { signal } = lease;
    signal.addEventListener('abort', () => {
      const atMs = machineMs();
      const lagMs = Math.max(0, atMs - this.#touchedMs - touchEveryMs);
      const loss = signal.reason instanceof LeaseLostError ? signal.reason.loss : 'none';
      if (loss !== 'none') say({ type: 'lost', turn, atMs, loss, lagMs });
    });
    this.fence = String(lease.fence);
    say({ type: 'granted', turn, atMs: machineMs(), fence: this.fence });
  }

  touch(): boolean {
    const atMs = machineMs();
    // What work would do comes first: everything that is read of a lease reads the clock.
    const held = [this.#gives(() => this.#lease.fence), this.#gives(() => this.#lease.assertHeld())].includes(true);
    const { remainingMs } = this.#lease;
    this.#touchedMs = machineMs();
    if (held) say({ type: 'touched', turn: this.turn, atMs, held, remainingMs });
    else say({ type: 'touched', turn: this.turn, atMs, held, aborted: this.#lease.signal.aborted });
    return held;
  }

  /** Until it is lost: after that, once more. */
  touchOn(): void {
    this.#timer = setTimeout(() => {
      if (this.touch()) this.touchOn();
    }, touchEveryMs);
  }

  async release(): Promise<void> {
    clearTimeout(this.#timer);
    // After a standstill this may run before any timer does: the first touch is here, then.
    this.touch();
    say({ type: 'releasing', turn: this.turn, atMs: machineMs() });
    const outcome = await this.#lease.release();
    say({ type: 'released', turn: this.turn, atMs: machineMs(), outcome });
  }

  #gives(read: () => unknown): boolean {
    try {
      read();
      return true;
    } catch (error) {
      if (error instanceof HoldfastError) return false;
      throw error;
    }
  }
}
