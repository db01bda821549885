export { endDispute } from './disputes.js';
export type {
  IdempotencyEvent,
  IdempotencyEvents,
  IdempotencyEventType,
  IdempotencyListener,
} from './events.js';
export { type Handler, type Idempotent, type IdempotencyCounters, idempotent } from './idempotent.js';
export type { IdempotentOptions, IdempotentRequest } from './options.js';
export type { About, Answer, Executed, FrozenOutcome, Full, Replayed, Running, RunOutcome } from './outcome.js';
export type {
  Frozen,
  FrozenBecause,
  IdempotencyRecord,
  LateOutcome,
  RecordState,
  RequestIdentity,
  Resolution,
} from './record.js';
export { type HttpRequestParts, httpSignature, recordKeyOf, signatureOf } from './signature.js';
export { FinalFailure, type Turn } from './turn.js';
export type { Encoded, Keepable, NotKeptBecause } from './values.js';
