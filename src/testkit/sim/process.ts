import type { Ports, Timer } from '../../core/clock.js';
import type { Recorder } from '../check/history.js';
import { HostClock, type HostClockOptions } from './clock.js';
import { between, type Dice, hash, roll } from './rng.js';
import type { Scheduler } from './scheduler.js';

interface SimTimer extends Timer {
  readonly dueMs: number;
  readonly fire: () => void;
  live: boolean;
  scheduled: { cancel(): void } | undefined;
}

/**
 * A process that can be paused, suspended with its machine, and killed. Code under test reaches the world only through
 * its ports and its messages, so a dead one simply never hears anything again.
 */
export class SimProcess {
  readonly name: string;
  readonly clock: HostClock;
  readonly ports: Ports;
  alive = true;
  /** Messages sent so far: numbers the fault decisions. */
  messages = 0;
  /** Cut off from the store until then. */
  partitionedUntilMs = 0;
  /** Replies take so much longer until then. */
  faded = { byMs: 0, untilMs: 0 };
  readonly #world: { readonly scheduler: Scheduler; readonly dice: Dice; readonly recorder: Recorder };
  /** Timers of the code under test; the work of its users has its own. */
  readonly #timers = new Set<SimTimer>();
  /** Timers that came up while the machine slept: their clock stood still. */
  #frozen: SimTimer[] = [];
  #inbox: { readonly dueMs: number; readonly io: boolean; readonly run: () => void }[] = [];
  #stops = 0;
  #counts = { owner: 0, random: 0, timer: 0, resume: 0 };

  constructor(
    name: string,
    world: { readonly scheduler: Scheduler; readonly dice: Dice; readonly recorder: Recorder },
    clock: HostClockOptions,
  ) {
    this.name = name;
    this.#world = world;
    this.clock = new HostClock(() => world.scheduler.nowMs, clock);
    this.ports = this.#makePorts();
  }

  get stopped(): boolean {
    return this.#stops > 0;
  }

  get timersArmed(): number {
    return this.#timers.size;
  }

  /** Something from outside reaches the process: now, or when it runs again. */
  deliver(run: () => void): void {
    this.#enter({ dueMs: this.clock.monotonicMs(), io: true, run });
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.later(delayMs, resolve);
    });
  }

  /** A timer of the code that uses the locks. */
  later(delayMs: number, run: () => void): Timer {
    return this.#timer(delayMs, run);
  }

  /** SIGSTOP, or a stall of the event loop. */
  pause(): void {
    this.#stops += 1;
  }

  /** Everything that came in meanwhile happens now: timers or input first, as the loop happened to stand. */
  resume(): void {
    if (this.#stops === 0) return;
    this.#stops -= 1;
    if (this.stopped) return;
    const { scheduler, dice } = this.#world;
    const ioFirst = roll(dice, 'resume', this.name, this.#counts.resume++) < 0.5;
    const waiting = this.#inbox;
    this.#inbox = [];
    const timers = waiting.filter((item) => !item.io).sort((a, b) => a.dueMs - b.dueMs);
    const input = waiting.filter((item) => item.io);
    for (const item of ioFirst ? [...input, ...timers] : [...timers, ...input]) scheduler.after(0, () => this.#enter(item));
  }

  suspend(): void {
    this.clock.suspend();
    this.pause();
  }

  wake(): void {
    this.clock.wake();
    const frozen = this.#frozen;
    this.#frozen = [];
    for (const timer of frozen) this.#arm(timer);
    this.resume();
  }

  crash(): void {
    this.alive = false;
    this.#inbox = [];
    this.#timers.clear();
  }

  #enter(item: { readonly dueMs: number; readonly io: boolean; readonly run: () => void }): void {
    if (!this.alive) return;
    if (this.stopped) this.#inbox.push(item);
    else item.run();
  }

  #makePorts(): Ports {
    const { dice, recorder } = this.#world;
    return {
      now: () => this.clock.now(),
      timer: (delayMs, fn) => {
        const timer = this.#timer(delayMs, fn);
        this.#timers.add(timer);
        return timer;
      },
      randomOwner: () => `${this.name}.${this.#counts.owner++}`,
      random: () => roll(dice, 'random', this.name, this.#counts.random++),
      identity: () => ({
        host: this.name,
        pid: 1,
        bootId: 'sim',
        startedAt: '',
        nonce: hash(dice.seed, 'node', this.name, 0).toString(36),
      }),
      warn: (message, cause) =>
        recorder.add({
          type: 'warned',
          process: this.name,
          message,
          cause: cause instanceof Error ? cause.message : String(cause),
        }),
    };
  }

  #timer(delayMs: number, fn: () => void): SimTimer {
    // As Node's: up to a millisecond early against the fine clock, and late by what else the loop has to do.
    const jitterMs = between(this.#world.dice, -1, 2, 'timer', this.name, this.#counts.timer++);
    const timer: SimTimer = {
      dueMs: this.clock.monotonicMs() + Math.max(0, delayMs + jitterMs),
      fire: fn,
      live: true,
      scheduled: undefined,
      cancel: () => {
        timer.live = false;
        timer.scheduled?.cancel();
        this.#timers.delete(timer);
      },
    };
    this.#arm(timer);
    return timer;
  }

  #arm(timer: SimTimer): void {
    const delayMs = this.clock.trueDelayMs(timer.dueMs - this.clock.monotonicMs());
    timer.scheduled = this.#world.scheduler.after(Math.max(0, delayMs), () => this.#due(timer));
  }

  #due(timer: SimTimer): void {
    if (!timer.live || !this.alive) return;
    if (this.clock.suspended) {
      this.#frozen.push(timer);
    } else if (timer.dueMs - this.clock.monotonicMs() > 1e-6) {
      this.#arm(timer);
    } else {
      this.#enter({ dueMs: timer.dueMs, io: false, run: () => this.#fire(timer) });
    }
  }

  #fire(timer: SimTimer): void {
    if (!timer.live) return;
    timer.live = false;
    this.#timers.delete(timer);
    timer.fire();
  }
}
