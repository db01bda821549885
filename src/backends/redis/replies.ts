import { OutcomeUnknownError } from '../../core/errors.js';
import type { Reply } from './driver.js';

// Clients differ in what they make of a reply (numbers as text, text as buffers): read what is meant.

export function text(reply: Reply | undefined): string {
  if (typeof reply === 'string') return reply;
  return reply === null || reply === undefined ? '' : String(reply);
}

export function number(reply: Reply | undefined): number {
  return typeof reply === 'number' ? reply : Number(text(reply));
}

export function list(reply: Reply | undefined): readonly Reply[] {
  return Array.isArray(reply) ? (reply as readonly Reply[]) : [];
}

/**
 * For a reply that belongs to another command. A client that counts its commands wrongly hands over such replies from then on:
 * node-redis 5 does when a connection is reset in the moment in which it writes. A grant therefore names its owner, and so
 * does a renewal: nobody takes another's for its own.
 */
export function misdelivered(): OutcomeUnknownError {
  return new OutcomeUnknownError(
    'the Redis client handed over the reply of another command: use ioredis, or version 6.2 or later of the package redis',
  );
}

/** For a script that answers 1 when it is done: what is taken for taken back, and is not, stays until its TTL. */
export function mustBeDone(reply: Reply): void {
  if (number(reply) !== 1) throw misdelivered();
}
