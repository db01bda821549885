import { setImmediate } from 'node:timers';
import { guard } from '../../channels.js';
import type { Counter, Histogram } from '../../meter.js';

/** Few enough to be gone through while a store answers what it was just asked. */
const portion = 16;

/** Gone through at once, where nothing is waited for: well below a millisecond. */
const pendingMax = 256;

type Recording = (value: number) => void;

interface Sum {
  readonly add: Recording;
  /** Undefined: nothing was counted since. */
  pending: number | undefined;
}

/**
 * Gathers what is to be recorded until the process waits, or somebody looks, or there is much of it. The SDK sorts and joins the labels at each
 * record: one after the other that costs a part of what it costs in the midst of other work, and who waits for a store does not wait for it as well.
 */
export class Later {
  readonly #sums: Sum[] = [];
  #pending = new Portion();
  /** What was handed over last; the next one goes there. */
  #spare = new Portion();
  readonly #sayOnce = guard('OpenTelemetry', (error: unknown) => {
    throw error;
  });

  /** What it counts is told when somebody looks. */
  counter(add: Recording): Counter {
    const sum: Sum = { add, pending: undefined };
    this.#sums.push(sum);
    return {
      add(count) {
        sum.pending = (sum.pending ?? 0) + count;
      },
    };
  }

  histogram(recording: Recording): Histogram {
    return {
      record: (value) => {
        const count = this.#pending.add(recording, value);
        if (count === portion) setImmediate(() => this.#record());
        else if (count === pendingMax) this.#record();
      },
    };
  }

  /** To be called before anybody looks. */
  flush(): void {
    this.#record();
    this.#addUp();
  }

  #record(): void {
    const due = this.#pending;
    this.#pending = this.#spare;
    this.#spare = due;
    due.handOver((recording, value) => this.#tell(recording, value));
  }

  #addUp(): void {
    for (const sum of this.#sums) {
      const { pending } = sum;
      sum.pending = undefined;
      if (pending !== undefined) this.#tell(sum.add, pending);
    }
  }

  /** One that throws takes no other with it. */
  #tell(recording: Recording, value: number): void {
    try {
      recording(value);
    } catch (error) {
      this.#sayOnce(error);
    }
  }
}

/** Values, and where each belongs: two columns, so that nothing is made for a value. */
class Portion {
  readonly #recordings: Recording[] = [];
  readonly #values = new Float64Array(pendingMax);
  #count = 0;

  /** How many there are now. */
  add(recording: Recording, value: number): number {
    this.#recordings[this.#count] = recording;
    this.#values[this.#count] = value;
    this.#count += 1;
    return this.#count;
  }

  handOver(tell: (recording: Recording, value: number) => void): void {
    const count = this.#count;
    this.#count = 0;
    for (let index = 0; index < count; index += 1) tell(this.#recordings[index] as Recording, this.#values[index] ?? 0);
  }
}
