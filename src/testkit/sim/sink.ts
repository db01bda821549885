import type { Recorder } from '../check/history.js';
import type { SimProcess } from './process.js';
import { between, type Dice } from './rng.js';
import type { Scheduler } from './scheduler.js';

/** What the work writes to. Keeps the newest fence per name and refuses an older one, as a guarded database row does. */
export class SimSink {
  readonly #world: { readonly scheduler: Scheduler; readonly dice: Dice; readonly recorder: Recorder };
  readonly #newest = new Map<string, bigint>();
  #writes = 0;

  constructor(world: { readonly scheduler: Scheduler; readonly dice: Dice; readonly recorder: Recorder }) {
    this.#world = world;
  }

  /** The write is on its way for a moment; nobody waits for its answer. */
  write(process: SimProcess, op: string, name: string, fence: bigint): void {
    const { scheduler, dice } = this.#world;
    const sentMs = scheduler.nowMs;
    scheduler.after(
      between(dice, 0.2, 3, 'sink', process.name, this.#writes++),
      () => this.#arrive(op, name, fence, sentMs),
      false,
    );
  }

  #arrive(op: string, name: string, fence: bigint, sentMs: number): void {
    const newest = this.#newest.get(name) ?? 0n;
    const accepted = fence >= newest;
    if (accepted) this.#newest.set(name, fence);
    this.#world.recorder.add({ type: 'wrote', op, name, fence, accepted, newest, sentMs });
  }
}
