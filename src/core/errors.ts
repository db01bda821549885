/** Every way in which this library says no. Each code has a section of the same name in `docs/errors.md`. */
export type ErrorCode =
  | 'BUSY'
  | 'TIMED_OUT'
  | 'BACKEND_UNAVAILABLE'
  | 'BACKEND_CORRUPT'
  | 'OUTCOME_UNKNOWN'
  | 'LEASE_LOST'
  | 'STALE_FENCE'
  | 'DEADLOCK'
  | 'INVALID_ARGUMENT'
  | 'NOT_SUPPORTED'
  | 'LIMIT_EXCEEDED'
  | 'CLOSED';

/** Why a hold ended without being released. */
export type Loss = 'expired' | 'stolen' | 'revoked' | 'forgotten' | 'overdue';

export interface ErrorDetails {
  /** The lock concerned, as the caller wrote it. */
  readonly lock?: string;
  readonly cause?: unknown;
  /** Asking again cannot help (a read-only file, a wrong password): fail now instead of retrying. */
  readonly permanent?: boolean;
  /** The store takes no more data: its memory or its disk is full. */
  readonly full?: boolean;
}

/** Codes that no second try can change. */
const permanentCodes: ReadonlySet<ErrorCode> = new Set([
  'BACKEND_CORRUPT',
  'STALE_FENCE',
  'DEADLOCK',
  'INVALID_ARGUMENT',
  'NOT_SUPPORTED',
  'LIMIT_EXCEEDED',
  'CLOSED',
]);

/** Base of all errors thrown by this library. The message ends with what to do. */
export class HoldfastError extends Error {
  readonly code: ErrorCode;
  /** The lock concerned, where there is one. */
  readonly lock: string | undefined;
  /** Whether asking again is pointless until somebody has mended something. */
  readonly permanent: boolean;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.code = code;
    this.lock = details.lock;
    this.permanent = details.permanent ?? permanentCodes.has(code);
  }

  override get name(): string {
    return this.constructor.name;
  }
}

/** Somebody else holds the lock, and the caller did not want to wait. */
export class BusyError extends HoldfastError {
  constructor(message: string, details?: ErrorDetails) {
    super('BUSY', message, details);
  }
}

/** `waitMs` passed before the lock was granted. The ask was withdrawn. */
export class WaitTimeoutError extends HoldfastError {
  constructor(message: string, details?: ErrorDetails) {
    super('TIMED_OUT', message, details);
  }
}

/** The store could not be reached or refused to work. Nothing was granted. */
export class BackendUnavailableError extends HoldfastError {
  /** Because the store takes no more data. */
  readonly full: boolean;

  constructor(message: string, details?: ErrorDetails) {
    super('BACKEND_UNAVAILABLE', message, details);
    this.full = details?.full === true;
  }
}

/** The store holds something that this library cannot have written. */
export class BackendCorruptError extends HoldfastError {
  constructor(message: string, details?: ErrorDetails) {
    super('BACKEND_CORRUPT', message, details);
  }
}

/** A call went out and no answer came: it may or may not have taken effect. */
export class OutcomeUnknownError extends HoldfastError {
  constructor(message: string, details?: ErrorDetails) {
    super('OUTCOME_UNKNOWN', message, details);
  }
}

/** The lease ended before it was released. `loss` says how. */
export class LeaseLostError extends HoldfastError {
  readonly loss: Loss;
  /** What was said when it was revoked or stolen, where the store told. */
  readonly reason: string | undefined;

  constructor(loss: Loss, message: string, details: ErrorDetails & { readonly reason?: string | undefined } = {}) {
    super('LEASE_LOST', message, details);
    this.loss = loss;
    this.reason = details.reason;
  }
}

/** What a stale fence was refused by. */
export interface StaleFence {
  /** What refused it, such as `postgres`. */
  readonly sink: string;
  /** As the caller wrote it. */
  readonly resource: string;
  /** The fence that came too late. */
  readonly fence: bigint;
  /** The highest fence that the sink has seen for this resource. */
  readonly mark: bigint;
}

/** A sink has already seen a newer fence. The write was refused, and nothing of it was done. */
export class StaleFenceError extends HoldfastError implements StaleFence {
  readonly sink: string;
  readonly resource: string;
  readonly fence: bigint;
  readonly mark: bigint;

  constructor({ sink, resource, fence, mark }: StaleFence, details?: ErrorDetails) {
    super(
      'STALE_FENCE',
      `${sink} has seen fence ${mark} for ${JSON.stringify(resource)} and refuses ${fence}: somebody else has taken over; stop, and write nothing more under this lease`,
      details,
    );
    this.sink = sink;
    this.resource = resource;
    this.fence = fence;
    this.mark = mark;
  }
}

/** The same async context already holds this lock: waiting for it would never end. */
export class DeadlockError extends HoldfastError {
  constructor(message: string, details?: ErrorDetails) {
    super('DEADLOCK', message, details);
  }
}

export class InvalidArgumentError extends HoldfastError {
  constructor(message: string, details?: ErrorDetails) {
    super('INVALID_ARGUMENT', message, details);
  }
}

export class NotSupportedError extends HoldfastError {
  constructor(message: string, details?: ErrorDetails) {
    super('NOT_SUPPORTED', message, details);
  }
}

/** A bound of `core/limits.ts` would be passed. */
export class LimitExceededError extends HoldfastError {
  constructor(message: string, details?: ErrorDetails) {
    super('LIMIT_EXCEEDED', message, details);
  }
}

export class ClosedError extends HoldfastError {
  constructor(message: string, details?: ErrorDetails) {
    super('CLOSED', message, details);
  }
}

/** All codes, for tests and documentation: a missing one does not compile. */
const everyCode: Record<ErrorCode, true> = {
  BUSY: true,
  TIMED_OUT: true,
  BACKEND_UNAVAILABLE: true,
  BACKEND_CORRUPT: true,
  OUTCOME_UNKNOWN: true,
  LEASE_LOST: true,
  STALE_FENCE: true,
  DEADLOCK: true,
  INVALID_ARGUMENT: true,
  NOT_SUPPORTED: true,
  LIMIT_EXCEEDED: true,
  CLOSED: true,
};
export const errorCodes = Object.keys(everyCode) as readonly ErrorCode[];
