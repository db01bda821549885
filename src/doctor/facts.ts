import type { LockRecord } from '../core/backend.js';
import type { Examination } from '../core/examination.js';
import type { FrozenBecause } from '../idempotency/record.js';
import type { ProcessSight } from './processes.js';

/** Everything that a diagnosis of one name rests on. */
export interface Facts {
  readonly name: string;
  /** In their order; the last one is the present. At least one. */
  readonly looks: readonly [Look, ...Look[]];
  /** By this machine's wall clock, in epoch milliseconds. */
  readonly wallMs: number;
  /** How long the work takes, as whoever asks knows it; else the holder's own word counts. */
  readonly expectedHoldMs: number | undefined;
  /** Undefined where no sink was asked. */
  readonly sink: SinkFact | undefined;
  readonly frozen: readonly FrozenFact[];
  /** What could not be looked at, and why: the verdicts rest on the rest. */
  readonly unseen: readonly string[];
}

/** The name at one moment. */
export interface Look {
  /** By a monotonic clock of this process, when the answer had arrived. */
  readonly atMs: number;
  readonly held: readonly LockRecord[];
  /** In the order of the queue. */
  readonly waiting: readonly LockRecord[];
  readonly examination: Examination;
  /** What is seen from here of the processes that hold and wait, read after the answer had arrived; by `holdKey`. */
  readonly processes: ReadonlyMap<string, ProcessSight>;
  /** The sink's mark, read before the store was asked: whoever holds the name after that has at least this fence. */
  readonly sinkMark: bigint | undefined;
}

export interface SinkFact {
  /** Names it in messages. */
  readonly sink: string;
  readonly resource: string;
}

/** An idempotency record that nobody executes, because nobody knows what was done. */
export interface FrozenFact {
  readonly recordKey: string;
  readonly operation: string;
  readonly key: string;
  /** Undefined: its lease has ended, and nobody has written that down yet. */
  readonly because: FrozenBecause | undefined;
  readonly error: string | undefined;
  /** The process that ran it. */
  readonly node: string;
  readonly fence: bigint;
  readonly attempt: number;
  readonly effects: readonly string[];
}

/** One hold or place: the same owner with the same grant. */
export function holdKey({ ownerDigest, state, fence }: Pick<LockRecord, 'ownerDigest' | 'state' | 'fence'>): string {
  return `${state} ${ownerDigest} ${fence ?? ''}`;
}

export function present({ looks }: Facts): Look {
  return looks.at(-1) ?? looks[0];
}

/** A lock that the store lists for completeness, and of which it knows no process. */
export function isForeign({ node, metadata }: LockRecord): boolean {
  return node.pid === 0 && metadata['foreign'] === true;
}
