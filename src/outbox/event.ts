/** Any JSON value. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json | undefined };

/** What has happened, as it is written into the outbox. */
export interface OutboxEvent {
  /**
   * Events of one key are published in the order in which their transactions committed. Writers of one key wait for each other
   * until they commit, as they do for any row that both change. Undefined: in no order, and nobody waits.
   */
  readonly key?: string | undefined;
  /** Such as `payment.charged`. */
  readonly type: string;
  readonly payload: Json;
  /** Handed on as they are, such as a `traceparent`. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What `write` answers. True once the transaction has committed. */
export interface WrittenEvent {
  /** A UUID: the same in every copy of the event that is ever published. */
  readonly id: string;
  /** Of an event with a key: grows with every event of the key. It is a fence, too: a guard at the sink refuses an older one. */
  readonly sequence: bigint | undefined;
}

/** An event as it is published. */
export interface OutboxMessage {
  readonly id: string;
  readonly key: string | undefined;
  readonly sequence: bigint | undefined;
  /** The sequence of the event before it under the same key; 0 for the first. A consumer that has not seen that one has missed something. */
  readonly after: bigint | undefined;
  readonly type: string;
  readonly payload: Json;
  readonly headers: Readonly<Record<string, string>>;
  /** By the database's clock. */
  readonly writtenAtMs: number;
  /** 1 for the first try. A message may come more than once with the same number: it is counted when a failure is written down. */
  readonly attempt: number;
}
