import { AsyncResource } from 'node:async_hooks';
import type { CallerActions } from './caller.js';
import { ClosedError, type HoldfastError } from './errors.js';
import type { Lease, Turn } from './lease.js';
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
  #settle = () => this.#reject(new Error('unreachable: the work has not ended'));

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

  async begin(turn: Turn | null): Promise<void> {
    const { path } = this.#note;
    try {
      path.running = true;
      path.holds = turn !== null;
      const { instance: paths } = path;
      const running: T | PromiseLike<T> = this.#context.runInAsyncScope(
        paths.run<Lease | null, T | PromiseLike<T>>,
        paths,
        path,
        this.#callback,
        turn,
      );
      const value = await running;
      this.#settle = () => this.#resolve(value);
    } catch (error) {
      this.#settle = () => this.#reject(error);
    } finally {
      path.holds = false;
      path.running = false;
      this.#note.done();
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
    this.#settle();
  }
}
