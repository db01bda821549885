import type { Backend } from '../../core/backend.js';

/** What the suite needs to know about a backend under test. */
export interface Fixture {
  /** For the report: `redis`, `redis (cluster)`. */
  readonly name: string;
  /** Another client of the same store, as another process would have it. The suite closes it. */
  open(): Backend | Promise<Backend>;
  /** Makes the store lose its data, as a restart without persistence does. Without it, the cases about that are skipped. */
  forgetEverything?(): void | Promise<void>;
  /** Runs after the last case: stop servers, delete files. Needs `after` in the runner. */
  close?(): void | Promise<void>;
  /** How long after its TTL the store may take to let go of a hold whose holder vanished. Default: 2,000. */
  readonly graceMs?: number;
  /** Deadline of one case. Default: 60,000. */
  readonly timeoutMs?: number;
  /** Cases that this backend cannot pass, each group with its reason. A name that is no case is an error. */
  readonly skip?: readonly Skip[];
}

export interface Skip {
  readonly reason: string;
  readonly cases: readonly string[];
}

/**
 * The part of a test runner that is used. vitest's and `node:test`'s `describe` and `it` fit as they are; for mocha:
 * `it: (id, options, run) => options.skip ? it.skip(id) : it(id, run).timeout(options.timeout)`.
 */
export interface Runner {
  describe(name: string, register: () => void): unknown;
  it(id: string, options: { timeout: number; skip: boolean }, run: (...context: unknown[]) => Promise<void>): unknown;
  /** A `describe` whose cases run at the same time, where the runner has one. It makes the suite several times faster. */
  concurrently?(name: string, register: () => void): unknown;
  /** vitest's `afterAll`, the others' `after`. */
  after?(run: () => void | Promise<void>): unknown;
}

/** One thing that a backend must do. */
export interface ConformanceCase {
  /** Stable: skips name it. */
  readonly id: string;
  /** Stops the whole process on purpose: nothing else may run meanwhile. */
  readonly alone: boolean;
  /** Why it does not apply, where that is known beforehand. */
  readonly skipped: string | undefined;
  /** Rejects if the backend does not do it. Resolves with a reason if the store's traits leave nothing to check. */
  run(): Promise<string | undefined>;
}

/** What a case may depend on. */
export type Need = 'shared' | 'queue' | 'push' | 'no-shared' | 'forgetEverything';
