export type {
  Ask,
  Backend,
  Finding,
  Grant,
  Held,
  LockRecord,
  Metadata,
  Mode,
  Refusal,
  Release,
  Renewal,
  Revocation,
  RevokedBy,
  Revoker,
  Stop,
  Traits,
} from './core/backend.js';
export {
  BackendCorruptError,
  BackendUnavailableError,
  BusyError,
  ClosedError,
  DeadlockError,
  type ErrorCode,
  HoldfastError,
  InvalidArgumentError,
  LeaseLostError,
  LimitExceededError,
  type Loss,
  NotSupportedError,
  OutcomeUnknownError,
  type StaleFence,
  StaleFenceError,
  WaitTimeoutError,
} from './core/errors.js';
export type { LockEvent, LockEvents, LockEventType, LockListener } from './core/events.js';
export type { FencedWrite, Guard } from './core/guard.js';
export { Holdfast, type Inspection, type LockCallback } from './core/holdfast.js';
export type { HeldLease, Lease, ReleaseOutcome } from './core/lease.js';
export type { LockName } from './core/name.js';
export type { NodeIdentity } from './core/node.js';
export type { AcquireOptions, HoldfastOptions, RequestOptions } from './core/options.js';
export type { Records, RecordWrite, StoredRecord } from './core/records.js';
export type { LeaseSet } from './core/request-all.js';
export type { LockInfo, LockSnapshot } from './core/snapshot.js';
export type { FailedRenewal, Notes, NoTurn, RequestTrace, TracedRequest, TracedTurn, Tracer } from './core/tracer.js';
