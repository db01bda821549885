import { duration, refuseUnknown, show } from '../core/checks.js';
import { InvalidArgumentError } from '../core/errors.js';
import { limits } from '../core/limits.js';
import type { OutboxMessage } from './event.js';
import type { Publisher } from './publisher.js';

export interface RelayOptions {
  /** How long the events of this relay wait if it vanishes. Default: 15,000. */
  readonly ttlMs?: number;
  /** How many events are taken at once. Default: 500. */
  readonly batch?: number;
  /** How long one try to publish may take; at most a third of `ttlMs`, which is the default. */
  readonly publishTimeoutMs?: number;
  /** Failures after which an event is a dead letter. Default: 20, which takes an hour and a half. */
  readonly attemptsMax?: number;
  /** The longest pause between two looks at the outbox, however idle it is. Default: 1,000. */
  readonly pollMsMax?: number;
  /** Is told what happens. What it throws is a warning of the process, and nothing more. */
  readonly observe?: (event: RelayEvent) => void;
}

export type RelayEvent =
  /** Written down as published: they do not come again. */
  | { readonly type: 'published'; readonly count: number }
  | { readonly type: 'failed'; readonly message: OutboxMessage; readonly error: unknown; readonly retryInMs: number }
  /** It failed for the last time: its key waits until somebody says `retry` or `discard`. */
  | { readonly type: 'dead'; readonly message: OutboxMessage; readonly error: unknown }
  /** The parts of the outbox that this relay has from now on. */
  | { readonly type: 'claimed'; readonly shards: readonly number[] }
  /** The database did not answer; the relay goes on asking. */
  | { readonly type: 'unavailable'; readonly error: unknown };

export interface RelaySettings extends Required<Omit<RelayOptions, 'observe'>> {
  readonly observe: (event: RelayEvent) => void;
}

const known = ['ttlMs', 'batch', 'publishTimeoutMs', 'attemptsMax', 'pollMsMax', 'observe'];

/** @throws InvalidArgumentError */
export function parseRelayOptions(options: RelayOptions = {}): RelaySettings {
  refuseUnknown(options, known);
  const ttlMs = Math.ceil(duration('ttlMs', options.ttlMs, limits.outboxTtlMsMin, limits.ttlMsMax) ?? limits.outboxTtlMsDefault);
  const publishMsMax = Math.floor(ttlMs * limits.outboxPublishTtlRatioMax);
  const { observe = () => {} } = options;
  if (typeof observe !== 'function') throw new InvalidArgumentError(`observe is ${show(observe)}: give a function`);
  return {
    ttlMs,
    batch: whole('batch', options.batch, limits.outboxBatchMax) ?? limits.outboxBatchDefault,
    publishTimeoutMs: duration('publishTimeoutMs', options.publishTimeoutMs, 1, publishMsMax) ?? publishMsMax,
    attemptsMax: whole('attemptsMax', options.attemptsMax, 1_000) ?? limits.outboxAttemptsDefault,
    pollMsMax:
      duration('pollMsMax', options.pollMsMax, limits.outboxPollMsMin, publishMsMax) ?? Math.min(limits.pollMsMax, publishMsMax),
    observe,
  };
}

/** @throws InvalidArgumentError */
export function checkedPublisher(publisher: Publisher): Publisher {
  const shape = Object(publisher) as { publishOne?: unknown; publishBatch?: unknown; concurrency?: unknown };
  whole('concurrency of a publisher', shape.concurrency, limits.outboxBatchMax);
  if (typeof shape.publishOne === 'function' || typeof shape.publishBatch === 'function') return publisher;
  throw new InvalidArgumentError('a publisher has a method publishOne or publishBatch: see docs/outbox.md');
}

function whole(name: string, value: unknown, max: number): number | undefined {
  if (value === undefined) return undefined;
  if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= max) return value as number;
  throw new InvalidArgumentError(`${name} is ${show(value)}: give a whole number from 1 to ${max}`);
}
