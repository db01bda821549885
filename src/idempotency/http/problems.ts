import { limits } from '../../core/limits.js';
import { type Problem, problem } from '../../core/problem.js';

/** Every no of the middlewares. `docs/idempotency-http.md` lists them. */

export function keyMissing(header: string): Problem {
  return problem({
    kind: 'idempotency-key-missing',
    status: 400,
    title: 'Idempotency key required',
    detail: `Send a unique key for this request in the header ${header}, and the same one with every retry.`,
  });
}

export function keyMalformed(header: string): Problem {
  return problem({
    kind: 'idempotency-key-malformed',
    status: 400,
    title: 'Malformed idempotency key',
    detail: `${header} must be there once, as a quoted string of 1 to ${limits.idempotencyKeyCharsMax} printable characters such as "0b7c2f6e".`,
  });
}

export function keyReused(): Problem {
  return problem({
    kind: 'idempotency-key-reused',
    status: 422,
    title: 'Idempotency key reused',
    detail: 'This key was used for another request. Send this one under a key of its own.',
  });
}

export function bodyTooLarge(bytesMax: number): Problem {
  return problem({
    kind: 'request-too-large',
    status: 413,
    title: 'Request too large',
    detail: `A request with an idempotency key may have a body of ${bytesMax} bytes.`,
  });
}

export function stillRunning(retryAfterMs: number): Problem {
  return problem({
    kind: 'request-in-progress',
    status: 409,
    title: 'Request in progress',
    detail: 'A request with this key is being worked on. Send it again after the time in Retry-After.',
    headers: retryAfter(retryAfterMs),
  });
}

/** Without Retry-After: time alone changes nothing. */
export function outcomeUncertain(recordKey?: string): Problem {
  return problem({
    kind: 'outcome-uncertain',
    status: 409,
    title: 'Outcome uncertain',
    detail:
      'It is not known whether this request took effect, and it is not executed again. Its outcome is found out by reconciliation; do not send it under another key.',
    ...(recordKey === undefined ? {} : { members: { record: recordKey } }),
  });
}

/** The handler ran, and what it said could not be written down. */
export function outcomeNotRecorded(): Problem {
  return problem({
    kind: 'outcome-not-recorded',
    status: 503,
    title: 'Outcome not recorded',
    detail: 'The request was worked on, and its outcome could not be recorded. Send it again under the same key to learn it.',
  });
}

export function storeUnavailable(): Problem {
  return problem({
    kind: 'idempotency-unavailable',
    status: 503,
    title: 'Requests cannot be recorded',
    detail: 'The store of requests did not answer, and nothing was executed. Send it again under the same key.',
  });
}

export function full(retryAfterMs: number): Problem {
  return problem({
    kind: 'idempotency-full',
    status: 503,
    title: 'No room for another request',
    detail: 'Nothing was executed. Send it again under the same key after the time in Retry-After.',
    headers: retryAfter(retryAfterMs),
  });
}

/** 410: what was answered is gone for good, and asking again does not bring it back. */
export function answerNotKept(status: number | undefined): Problem {
  return problem({
    kind: 'answer-not-kept',
    status: 410,
    title: 'Answer not kept',
    detail: 'This request was executed once, and its answer was a stream or too large to be kept. Read the result where it lies.',
    ...(status === undefined ? {} : { members: { answeredStatus: status } }),
    headers: { [replayedHeader]: 'true' },
  });
}

export const replayedHeader = 'Idempotent-Replayed';

/** Whole seconds, rounded up: asking too early is in vain. */
function retryAfter(ms: number): Record<string, string> {
  return { 'Retry-After': String(Math.max(1, Math.ceil(ms / 1_000))) };
}
