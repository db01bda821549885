import { setImmediate } from 'node:timers';

interface Entry {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
  /** Whether code under test may have run, so that its microtasks must run before the next event. */
  readonly drains: boolean;
  cancelled: boolean;
}

/** Virtual time and what will happen in it. Between two events all real microtasks run, as they would between two turns of a loop. */
export class Scheduler {
  #nowMs = 0;
  #count = 0;
  #events = 0;
  readonly #heap: Entry[] = [];

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Events run so far. */
  get events(): number {
    return this.#events;
  }

  at(atMs: number, run: () => void, drains = true): { cancel(): void } {
    const entry: Entry = { atMs: Math.max(atMs, this.#nowMs), order: this.#count++, run, drains, cancelled: false };
    push(this.#heap, entry);
    return {
      cancel() {
        entry.cancelled = true;
      },
    };
  }

  after(delayMs: number, run: () => void, drains = true): { cancel(): void } {
    return this.at(this.#nowMs + delayMs, run, drains);
  }

  /** Runs events until `done` or until `untilMs`, also if nothing is left to run. */
  async run(untilMs: number, eventsMax: number, done: () => boolean): Promise<'done' | 'time' | 'spin'> {
    await microtasks();
    while (!done()) {
      const next = this.#heap[0];
      if (next === undefined || next.atMs > untilMs) {
        this.#nowMs = untilMs;
        return 'time';
      }
      if (this.#events >= eventsMax) return 'spin';
      pop(this.#heap);
      if (next.cancelled) continue;
      this.#nowMs = next.atMs;
      this.#events += 1;
      next.run();
      if (next.drains) await microtasks();
    }
    return 'done';
  }
}

/** Resolves after every promise reaction that is due now, however long the chain. */
function microtasks(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function before(a: Entry, b: Entry): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

function push(heap: Entry[], entry: Entry): void {
  let i = heap.length;
  heap.push(entry);
  while (i > 0) {
    const up = (i - 1) >> 1;
    const parent = heap[up] as Entry;
    if (!before(entry, parent)) break;
    heap[i] = parent;
    i = up;
  }
  heap[i] = entry;
}

function pop(heap: Entry[]): void {
  const last = heap.pop() as Entry;
  const size = heap.length;
  if (size === 0) return;
  let i = 0;
  for (;;) {
    let child = 2 * i + 1;
    if (child >= size) break;
    if (child + 1 < size && before(heap[child + 1] as Entry, heap[child] as Entry)) child += 1;
    if (!before(heap[child] as Entry, last)) break;
    heap[i] = heap[child] as Entry;
    i = child;
  }
  heap[i] = last;
}
