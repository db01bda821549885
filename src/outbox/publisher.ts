import type { OutboxMessage } from './event.js';

export interface PublishContext {
  /** Aborted when the time for the publication is over, or this relay's claim is: what has not been sent by then must not be sent. */
  readonly signal: AbortSignal;
}

/**
 * Sends one message. Resolved means: it is where it cannot be lost. Rejected means that it is tried again, and later ones of its
 * key wait. Messages of one key come one after the other, others at the same time, up to `concurrency`.
 */
export interface SinglePublisher {
  publishOne(message: OutboxMessage, context: PublishContext): Promise<void>;
  /** Default: 32. */
  readonly concurrency?: number;
}

/**
 * Sends many in one go, in their order. Answers one entry for each message, an error where it failed; nothing stands for a success of
 * all. If it rejects, all have failed. After a failure, later messages of the same key should not be sent; what was sent of
 * them all the same comes again after the one that failed.
 */
export interface BatchPublisher {
  publishBatch(messages: readonly OutboxMessage[], context: PublishContext): Promise<readonly (Error | undefined)[] | undefined>;
}

export type Publisher = SinglePublisher | BatchPublisher;

/** Throw it to say that trying again cannot help: the message becomes a dead letter at once. */
export class UnpublishableError extends Error {
  override get name(): string {
    return 'UnpublishableError';
  }
}
