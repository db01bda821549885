import type { Ports } from '../../core/clock.js';
import { limits } from '../../core/limits.js';
import type { StoredRecord } from '../../core/records.js';

interface Asked {
  readonly times: number;
  /** As this process left it: when it has changed, there is something new to look at. */
  readonly version: string;
  readonly notBeforeMs: number;
}

/** Records that stayed unknown: each is asked about again after a pause that doubles, and at once when it has changed. */
export class Unknowns {
  readonly #ports: Pick<Ports, 'now'>;
  readonly #firstPauseMs: number;
  readonly #asked = new Map<string, Asked>();

  constructor(ports: Pick<Ports, 'now'>, firstPauseMs: number) {
    this.#ports = ports;
    this.#firstPauseMs = firstPauseMs;
  }

  isResting({ key, version }: StoredRecord): boolean {
    const asked = this.#asked.get(key);
    return asked !== undefined && asked.version === version && this.#ports.now().monotonicMs < asked.notBeforeMs;
  }

  /** Answers how often it was asked about by this process. */
  note(key: string, version: string): number {
    const times = (this.#asked.get(key)?.times ?? 0) + 1;
    const pauseMs = Math.min(limits.unknownPauseMsMax, this.#firstPauseMs * 2 ** Math.min(times - 1, 30));
    this.#asked.delete(key);
    this.#asked.set(key, { times, version, notBeforeMs: this.#ports.now().monotonicMs + pauseMs });
    for (const oldest of this.#asked.keys()) {
      if (this.#asked.size <= limits.sightingsMax) break;
      this.#asked.delete(oldest);
    }
    return times;
  }

  forget(key: string): void {
    this.#asked.delete(key);
  }
}
