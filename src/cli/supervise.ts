import { performance } from 'node:perf_hooks';
import { LeaseLostError } from '../core/errors.js';
import type { HeldLease } from '../core/lease.js';
import type { Child } from './child.js';
import { exit } from './exit.js';
import { sayAside } from './say-aside.js';

/** How often the clock is looked at although no timer is due. */
const clockCheckMs = 1_000;
/** What SIGKILL has not ended by then is another user's, or hangs in the kernel. */
const survivalMs = 2_000;

export interface SuperviseOptions {
  readonly graceMs: number;
  readonly maxHoldMs: number | undefined;
}

export interface Supervised {
  /** The command's own exit status. */
  readonly status: number;
  /** Why it was stopped, or why its end came too late; absent if it ended by itself under a valid lease. */
  readonly lost?: string;
  /** Processes of it that are left because nothing ended them, as far as they are shown: only after a loss. */
  readonly left?: readonly number[];
}

/**
 * Sees to it that the command is over before its lease can pass to another.
 *
 *     runs ──remaining ≤ grace, or revoked, or past max-hold──▶ SIGTERM ──grace over, or deadline near──▶ SIGKILL
 *       └──the deadline has passed (we were stopped, or the machine slept)──────────────────────────────▶ SIGKILL
 *
 * There is one timer for the lease, armed anew from `remainingMs`, which every renewal prolongs. It fires once a second at
 * least, because no timer runs while the machine sleeps.
 */
export class Supervisor {
  readonly #lease: HeldLease;
  readonly #child: Child;
  readonly #options: SuperviseOptions;
  /** SIGKILL goes out this long before the deadline: a kill takes a moment too. */
  readonly #leadMs: number;
  readonly #timers = new Set<NodeJS.Timeout>();
  #checkTimer: NodeJS.Timeout | undefined;
  #lost: string | undefined;
  #killed = false;
  #over = false;
  #giveUp!: () => void;
  /** Nothing can be done any more about what is left. */
  readonly #gaveUp = new Promise<undefined>((resolve) => {
    this.#giveUp = () => resolve(undefined);
  });

  constructor(lease: HeldLease, child: Child, options: SuperviseOptions) {
    this.#lease = lease;
    this.#child = child;
    this.#options = options;
    this.#leadMs = Math.min(100, options.graceMs / 4);
  }

  async finished(): Promise<Supervised> {
    const { maxHoldMs } = this.#options;
    this.#lease.signal.addEventListener('abort', () => this.check());
    if (maxHoldMs !== undefined) this.#after(maxHoldMs, () => this.#stop('it ran longer than --max-hold', Infinity));
    this.check();
    try {
      const status = (await Promise.race([this.#child.exited, this.#gaveUp])) ?? exit.lost;
      // Did it end in time? Reading the lease reads the clock.
      if (this.#lease.signal.aborted) this.check();
      if (this.#lost === undefined) return { status };
      // What the command started may take its grace too; the timers end it.
      const isGone = await Promise.race([this.#child.gone().then(() => true), this.#gaveUp]);
      return { status, lost: this.#lost, ...(isGone === true ? {} : { left: this.#child.left() }) };
    } finally {
      this.#over = true;
      clearTimeout(this.#checkTimer);
      for (const timer of this.#timers) clearTimeout(timer);
    }
  }

  /** Looks at the lease and at the clock now. Called by the timer, by the lease's signal, and after SIGCONT. */
  readonly check = (): void => {
    if (this.#over) return;
    const { signal, remainingMs } = this.#lease;
    if (signal.aborted) {
      const loss = signal.reason instanceof LeaseLostError ? signal.reason.loss : 'expired';
      this.#stop(`the lease was lost (${loss})`, loss === 'expired' ? 0 : Infinity);
    } else if (remainingMs <= this.#options.graceMs) {
      this.#stop('the lease could not be renewed', remainingMs - this.#leadMs);
    } else if (this.#lost === undefined) {
      // Timers stand still while the machine sleeps, so the clock is looked at now and then.
      this.#checkIn(Math.min(remainingMs - this.#options.graceMs, clockCheckMs));
    }
  };

  /** After SIGCONT: first the clock, and only what may go on, or may end by itself, is continued too. */
  continued(): void {
    this.check();
    // Also after the command's end: what it has left running on purpose was stopped, too.
    if (!this.#killed) this.#child.resume();
  }

  /** SIGTERM now, and SIGKILL when the grace or the lease's time is over, whichever is first. */
  #stop(why: string, leftMs: number): void {
    const killInMs = Math.min(this.#options.graceMs, leftMs);
    if (killInMs <= 0) return this.#kill(why);
    if (this.#lost !== undefined) return;
    this.#lost = why;
    this.#child.terminate();
    this.#killBy(performance.now() + killInMs);
  }

  #kill(why: string): void {
    this.#lost ??= why;
    if (this.#killed) return;
    this.#killed = true;
    this.#child.kill();
    this.#after(survivalMs, () => this.#survived(true));
  }

  /** As long as the lease is ours, it stays so: nobody else begins beside what is left. After that there is nothing to keep. */
  #survived(isFirst: boolean): void {
    if (this.#lease.signal.aborted) return this.#giveUp();
    if (isFirst) {
      sayAside(
        `"${this.#lease.name}" stays held: ${numbered(this.#child.left())} of its command may not be ended by this user, or hangs; holdfast revoke gives the name to others all the same`,
      );
    }
    this.#after(clockCheckMs, () => this.#survived(false));
  }

  /** The deadline may come nearer while we wait (the wall clock steps forward), so it is asked for again on the way. */
  #killBy(atMs: number): void {
    const leftMs = atMs - performance.now();
    if (leftMs <= 0) return this.#kill('');
    this.#after(Math.min(leftMs, 50), () => {
      this.check();
      this.#killBy(atMs);
    });
  }

  #checkIn(delayMs: number): void {
    clearTimeout(this.#checkTimer);
    this.#checkTimer = setTimeout(this.check, delayMs);
  }

  #after(delayMs: number, fn: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      fn();
    }, delayMs);
    this.#timers.add(timer);
  }
}

export function numbered(pids: readonly number[]): string {
  if (pids.length === 0) return 'something';
  return pids.length === 1 ? `process ${pids[0]}` : `processes ${pids.join(', ')}`;
}
