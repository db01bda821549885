import type { Note } from './protocol.js';

/** A worker could not do what it was told, for a reason that is not the fault under test. */
export class WorkerFailed extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** What was awaited did not come in time. */
export class NotSeen extends Error {}

type Picked<T> = T | undefined;

/** Everything that happened in one fault, in the order in which the drill heard of it. */
export class History {
  readonly notes: Note[] = [];
  readonly #interrupted: AbortSignal;
  readonly #waiting = new Set<() => void>();

  /** @param interrupted ends every wait */
  constructor(interrupted: AbortSignal) {
    this.#interrupted = interrupted;
    interrupted.addEventListener('abort', () => this.#look(), { once: true });
  }

  add(note: Note): void {
    this.notes.push(note);
    this.#look();
  }

  /**
   * The first thing that `pick` finds, now or later.
   *
   * @throws NotSeen after `withinMs`; WorkerFailed when a worker reports a failure; the reason of an interruption
   */
  seen<T>(what: string, withinMs: number, pick: (note: Note) => Picked<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = (how: () => void) => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        how();
      };
      let next = 0;
      const look = () => {
        if (this.#interrupted.aborted) return end(() => reject(this.#interrupted.reason as Error));
        for (; next < this.notes.length; next++) {
          const note = this.notes[next] as Note;
          if (note.type === 'failed') return end(() => reject(new WorkerFailed(note.code, note.message)));
          const found = pick(note);
          if (found !== undefined) return end(() => resolve(found));
        }
        return undefined;
      };
      const timer = setTimeout(() => end(() => reject(new NotSeen(`${what}: not within ${Math.round(withinMs)} ms`))), withinMs);
      this.#waiting.add(look);
      look();
    });
  }

  #look(): void {
    for (const look of [...this.#waiting]) look();
  }
}
