import { count, duration, refuseUnknown, show } from '../core/checks.js';
import { type Ports, systemPorts } from '../core/clock.js';
import { InvalidArgumentError } from '../core/errors.js';
import { limits } from '../core/limits.js';
import type { RequestLog } from '../core/request-log.js';
import type { RequestIdentity } from './record.js';
import { recordKeyOf, signatureOf } from './signature.js';

/** Options of `idempotent()`. */
export interface IdempotentOptions {
  /** What is done: `charge`. The same key of another operation is another request. */
  readonly operation: string;
  /** How long an answer is kept, and replayed. At least `leaseTtlMs`. Default: one day. */
  readonly ttlMs?: number;
  /** How long a claim outlives its process before the record freezes. Renewed while the handler runs. Default: 10,000. */
  readonly leaseTtlMs?: number;
  /** Parts applications that share a store. Default: `default`. */
  readonly namespace?: string;
  /** Handlers that may run in this process at a time. Beyond it, fresh requests are `full`; replays are not. Default: 1,000. */
  readonly inFlightMax?: number;
  /** An answer that takes more bytes than this is not kept: see `Replayed`. Default: 65,536. */
  readonly answerBytesMax?: number;
  /** Deadline of one call to the store; never more than half of `leaseTtlMs`. Default: 5,000. */
  readonly callTimeoutMs?: number;
  /**
   * A log that a majority of a cluster acknowledges: before the handler runs, and again before anybody is told of its outcome. Where it does not
   * acknowledge, no handler runs and nobody is told of a success. `consensusLog` of `holdfast/etcd` is one.
   */
  readonly log?: RequestLog;
  /** For tests and simulators. */
  readonly ports?: Ports;
}

/** One request. */
export interface IdempotentRequest {
  /** The idempotency key, as the client sent it. */
  readonly key: string;
  /** Whose key: the same key of another tenant is another request. */
  readonly tenant?: string;
  /** What the request says, as `httpSignature()` or `signatureOf()` made it. The same key with another signature is a mismatch. */
  readonly signature?: string;
  /** In place of `signature`: what to make it of. Without both, the key alone decides. */
  readonly parts?: readonly (string | Uint8Array)[];
  /** While it runs elsewhere: wait this long for its answer, to replay it. Default: 0. */
  readonly waitMs?: number;
  /** Ends the waiting. Does not reach the handler. */
  readonly signal?: AbortSignal;
}

/** Options after the one check. */
export interface Settings {
  readonly operation: string;
  readonly namespace: string;
  readonly ttlMs: number;
  readonly leaseTtlMs: number;
  readonly inFlightMax: number;
  readonly answerBytesMax: number;
  readonly callTimeoutMs: number;
  readonly log: RequestLog | undefined;
  readonly ports: Ports;
}

/** A request after the one check: nothing of it changes when the caller changes what it was made of. */
export interface Asked extends RequestIdentity {
  readonly recordKey: string;
  readonly signature: string;
  readonly waitMs: number;
  readonly signal: AbortSignal | undefined;
}

const optionKeys = [
  'operation',
  'ttlMs',
  'leaseTtlMs',
  'namespace',
  'inFlightMax',
  'answerBytesMax',
  'callTimeoutMs',
  'log',
  'ports',
] as const satisfies readonly (keyof IdempotentOptions)[];
const requestKeys = [
  'key',
  'tenant',
  'signature',
  'parts',
  'waitMs',
  'signal',
] as const satisfies readonly (keyof IdempotentRequest)[];

/** @throws InvalidArgumentError */
export function parseSettings(options: IdempotentOptions): Settings {
  refuseUnknown(options, optionKeys);
  const leaseTtlMs = duration('leaseTtlMs', options.leaseTtlMs, limits.ttlMsMin, limits.ttlMsMax) ?? limits.ttlMsDefault;
  const ttlMs = duration('ttlMs', options.ttlMs, 1, limits.answerTtlMsMax) ?? limits.answerTtlMsDefault;
  if (ttlMs < leaseTtlMs) {
    throw new InvalidArgumentError(
      `ttlMs is ${ttlMs}, and leaseTtlMs is ${leaseTtlMs}: an answer must be kept at least as long as a claim may run unseen; raise ttlMs`,
    );
  }
  const timeoutMs =
    duration('callTimeoutMs', options.callTimeoutMs, limits.callTimeoutMsMin, limits.durationMsMax) ??
    limits.callTimeoutMsDefault;
  return {
    operation: text('operation', options.operation),
    namespace: text('namespace', options.namespace ?? 'default'),
    ttlMs,
    leaseTtlMs,
    inFlightMax: count('inFlightMax', options.inFlightMax, limits.inFlightMax) ?? limits.inFlightDefault,
    answerBytesMax: count('answerBytesMax', options.answerBytesMax, limits.answerBytesMax) ?? limits.answerBytesDefault,
    callTimeoutMs: Math.max(limits.callTimeoutMsMin, Math.min(timeoutMs, leaseTtlMs * limits.callTimeoutTtlRatioMax)),
    log: options.log,
    ports: options.ports ?? systemPorts(),
  };
}

/** @throws InvalidArgumentError */
export function parseRequest(request: IdempotentRequest, { namespace, operation }: Settings): Asked {
  refuseUnknown(request, requestKeys);
  const { tenant, signature, parts, signal } = request;
  if (signature !== undefined && parts !== undefined) {
    throw new InvalidArgumentError('a request has signature or parts: leave one of them out');
  }
  const identity: RequestIdentity = {
    namespace,
    operation,
    tenant: tenant === undefined ? undefined : text('tenant', tenant),
    key: text('key', request.key),
  };
  return {
    ...identity,
    recordKey: recordKeyOf(identity),
    // Here, and not when it is compared: the handler may change what it was handed.
    signature: signature === undefined ? signatureOf(parts ?? []) : text('signature', signature),
    signal: abortSignal(signal),
    waitMs: duration('waitMs', request.waitMs, 0, limits.durationMsMax) ?? 0,
  };
}

function text(name: string, value: unknown): string {
  if (typeof value === 'string' && value !== '' && value.length <= limits.requestTextMax) return value;
  const shown = typeof value === 'string' && value !== '' ? `${value.length} characters long` : show(value);
  throw new InvalidArgumentError(`${name} is ${shown}: give a text of 1 to ${limits.requestTextMax} characters`);
}

function abortSignal(value: unknown): AbortSignal | undefined {
  // Not `instanceof`: there is more than one AbortSignal in some test environments.
  if (value === undefined || typeof (value as Partial<AbortSignal> | null)?.throwIfAborted === 'function')
    return value as AbortSignal | undefined;
  throw new InvalidArgumentError(`signal is ${show(value)}: give an AbortSignal`);
}
