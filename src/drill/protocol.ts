/*
 * What the drill and its workers say to each other: one object of JSON a line. Times are `machineMs`, taken by whoever saw it happen.
 */

/** Where a store is opened: a module, and one of its functions. Sent over a pipe: arguments may hold a password. */
export interface Opener {
  /** As `import()` takes it. */
  readonly module: string;
  readonly export: string;
  readonly args: readonly string[];
}

/** From the drill to a worker. */
export type Command =
  /** The first one. */
  | { readonly do: 'open'; readonly opener: Opener }
  /** Takes the name, and touches the lease all the time until it is told to release it. */
  | { readonly do: 'take'; readonly name: string; readonly ttlMs: number }
  | { readonly do: 'release' }
  /** Sends the sink a write under the fence of the beginning, as code does that has prepared it and does not look again. */
  | { readonly do: 'write' }
  /** The event loop stands still until the drill says `go` on the fourth descriptor. */
  | { readonly do: 'block' }
  /** Sets this process's wall clock: so far from the right time. */
  | { readonly do: 'step'; readonly byMs: number }
  /** Takes and releases the name over and over. */
  | { readonly do: 'contend'; readonly name: string; readonly ttlMs: number; readonly workMs: number }
  /** The end of `contend`, after the current turn. */
  | { readonly do: 'rest' }
  | { readonly do: 'wrote'; readonly id: number; readonly accepted: boolean };

interface OfTurn {
  /** Which of this worker's asks. */
  readonly turn: number;
  readonly atMs: number;
}

/** From a worker to the drill. */
export type Happening =
  | { readonly type: 'ready'; readonly atMs: number }
  /** Something went wrong that the fault does not explain. */
  | { readonly type: 'failed'; readonly atMs: number; readonly code: string; readonly message: string }
  | (OfTurn & { readonly type: 'asked' })
  /** The store said no, and the ask waits. */
  | (OfTurn & { readonly type: 'waiting' })
  /** The first touch gave this fence; `atMs` was read after it. */
  | (OfTurn & { readonly type: 'granted'; readonly fence: string })
  /** `atMs` was read before the touch: what it says was true at `atMs` or later. */
  | (OfTurn & { readonly type: 'touched'; readonly held: true; readonly remainingMs: number })
  | (OfTurn & { readonly type: 'touched'; readonly held: false; readonly aborted: boolean })
  /** The signal of the lease was aborted. `lagMs`: how much longer than planned the event loop took since the last touch. */
  | (OfTurn & { readonly type: 'lost'; readonly loss: string; readonly lagMs: number })
  | (OfTurn & { readonly type: 'releasing' })
  | (OfTurn & { readonly type: 'released'; readonly outcome: string })
  | (OfTurn & { readonly type: 'blocked' })
  | (OfTurn & { readonly type: 'write'; readonly id: number; readonly fence: string })
  | { readonly type: 'stepped'; readonly atMs: number }
  | { readonly type: 'rested'; readonly atMs: number };

/** What the drill itself did to a worker, or its sink. */
export type Deed =
  | { readonly type: 'killed'; readonly atMs: number }
  | { readonly type: 'revoked'; readonly atMs: number }
  | {
      readonly type: 'sank';
      readonly atMs: number;
      readonly turn: number;
      readonly id: number;
      readonly fence: string;
      readonly mark: string;
      readonly accepted: boolean;
    };

export type Note = (Happening | Deed) & { readonly worker: string };
