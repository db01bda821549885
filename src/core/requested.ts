import { AsyncResource } from 'node:async_hooks';
import type { CallerActions } from './caller.js';
import { ClosedError, type HoldfastError } from './errors.js';
import type { Lease, Turn } from './lease.js';
import { begin, end, type Path } from './path.js';
import type { PathNote } from './path-notes.js';
import { domException } from './weblocks.js';

/** Callback of `request`. */
export type LockCallback<T, L = Lease> = (lease: L) => T | PromiseLike<T>;

/** What the queue does with a caller of `request`: runs the callback in its turn and settles the promise. */
export class RequestWork<T> implements CallerActions {
  readonly #note: PathNote;
  readonly #callback: LockCallback<T, Lease | null>;
  readonly #resolve: (value: T) => void;
  readonly #reject: (reason: unknown) => void;
  /**
   * Another caller's turn ends before this one begins: without this, the callback would run in that one's async context.
   * Manual: nothing to destroy, and no finalizer to register, which would cost more than the whole turn.
   */
  readonly #context = new AsyncResource('HoldfastRequest', { requireManualDestroy: true });
  /** Set when the work has ended. */
  #settle: (() => void) | undefined;

  constructor(
    note: PathNote,
    callback: LockCallback<T, Lease | null>,
    resolve: (value: T) => void,
    reject: (reason: unknown) => void,
  ) {
    this.#note = note;
    this.#callback = callback;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  begin(turn: Turn | null, workDone: () => void): void {
    const { path } = this.#note;
    begin(path);
    path.holds = turn !== null;
    const ended = (settle: () => void) => {
      end(path);
      this.#note.done();
      this.#settle = settle;
      workDone();
    };
    // As `await` does it: a promise of the user's may have a `then` of its own.
    void Promise.prototype.then.call(
      this.#run(path, turn),
      (value) => ended(() => this.#resolve(value)),
      (error: unknown) => ended(() => this.#reject(error)),
    );
  }

  #run(path: Path, turn: Turn | null): Promise<T> {
    try {
      const { instance: paths } = path;
      const work = paths.run<Lease | null, T | PromiseLike<T>>;
      return Promise.resolve(this.#context.runInAsyncScope(work, paths, path, this.#callback, turn));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  lost(error: HoldfastError): void {
    this.#note.path.holds = false;
    this.#reject(domException('AbortError', error));
  }

  fail(reason: unknown): void {
    this.#note.done();
    this.#reject(reason instanceof ClosedError ? domException('AbortError', reason) : reason);
  }

  over(): void {
    this.#settle?.();
  }
}
