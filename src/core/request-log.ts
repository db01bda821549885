/**
 * The third port of a store: a log of requests, in which every entry is acknowledged by a majority of the members before the call that appends it
 * resolves. A call that rejects may have appended its entry or not. Appending the same entry again changes nothing.
 */
export interface RequestLog {
  /** Before the handler runs. */
  started(entry: StartedEntry): Promise<void>;
  /** Before anybody is told of the outcome. */
  done(entry: DoneEntry): Promise<void>;
  /**
   * A reconciler takes a request: from now on an older term can append nothing about it. Undefined if a later term has it.
   * Reads what a majority has.
   */
  take(request: LogClaim): Promise<LogTurn | undefined>;
  /**
   * Looks at requests whose entries nobody has let go of yet, and lets go of those that are over: they are deleted when the log's time for them has
   * passed. Answers how many it has let go of.
   */
  retire(isOver: (recordKey: string) => Promise<boolean>): Promise<number>;
}

export interface StartedEntry {
  readonly recordKey: string;
  readonly attempt: number;
  readonly fence: bigint;
  /** The process, for people. */
  readonly node: string;
}

export interface DoneEntry extends StartedEntry {
  readonly outcome: 'completed' | 'failed';
  /** As the record has it; undefined where it is not kept. */
  readonly answer: string | undefined;
  /** Appended before a transaction was committed that may not have been: then the record does not say so. */
  readonly inTransaction: boolean;
}

export interface LogClaim {
  readonly recordKey: string;
  readonly term: bigint;
  /** Above that of every claim before. */
  readonly fence: bigint;
  readonly by: string;
}

/** One entry, as it lies in the log. */
export type LogEntry = { /** Grows from entry to entry. */ readonly position: number } & (
  | ({ readonly kind: 'started' } & StartedEntry)
  | ({ readonly kind: 'done' } & DoneEntry)
  | ({ readonly kind: 'taken' } & LogClaim)
  | ({ readonly kind: 'resolved'; readonly verdict: string; readonly why: string | undefined } & LogClaim)
);

export interface LogTurn {
  /** In the order of the log. */
  readonly entries: readonly LogEntry[];
  /** Before the record is written. False if a later term has taken the request: then nothing was appended. */
  resolved(verdict: string, why: string | undefined): Promise<boolean>;
}
