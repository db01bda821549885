import { count, duration, refuseUnknown } from '../../core/checks.js';
import { type Ports, systemPorts } from '../../core/clock.js';
import { InvalidArgumentError } from '../../core/errors.js';
import type { Guard } from '../../core/guard.js';
import { limits } from '../../core/limits.js';
import type { RequestLog } from '../../core/request-log.js';
import type { IdempotencyRecord } from '../record.js';
import type { Decision, Evidence, FrozenRequest } from './decision.js';

/** Where handlers write. Each guard fits. */
export type RaisableSink = Pick<Guard<never>, 'sink' | 'raise'>;

export interface DeclaredSink {
  readonly guard: RaisableSink;
  /** What the handler names to the guard. Default: the key of the record. */
  readonly resources?: (record: IdempotencyRecord & { readonly recordKey: string }) => readonly string[];
}

/**
 * Says what became of a request, from the evidence and from what it asks others. Its signal is aborted when the term is over or its time is: then its answer
 * is not used.
 */
export type Resolve = (record: FrozenRequest, evidence: Evidence, turn: ResolveTurn) => Decision | Promise<Decision>;

export interface ResolveTurn {
  readonly term: bigint;
  readonly signal: AbortSignal;
}

export interface ReconcilerOptions {
  /**
   * Everything that handlers write to under their fence. Its marks are raised before evidence is read, so that nothing is added behind the reconciler's
   * back. What is not declared here, or cannot compare fences, may still change after it was looked at.
   */
  readonly sinks: readonly (RaisableSink | DeclaredSink)[];
  readonly resolve: Resolve;
  /** The log of `idempotent()`, if it has one: evidence, and where resolutions are appended before they are written. */
  readonly log?: RequestLog;
  /** Only records of this namespace. Default: of all. */
  readonly namespace?: string;
  /** Only records of this operation. Default: of all. */
  readonly operation?: string;
  /** Pause between two passes. Default: 10,000. */
  readonly everyMs?: number;
  /** Records that are worked on at a time: so many calls of `resolve` may run at once. Default: 8. */
  readonly concurrency?: number;
  /** How long `resolve` may take. Default: 30,000. */
  readonly resolveTimeoutMs?: number;
  /** Deadline of one call to the records, to a sink, or to the log. Default: 5,000. */
  readonly callTimeoutMs?: number;
  /** An answer that takes more bytes than this is not kept. Default: 65,536. */
  readonly answerBytesMax?: number;
  /** For tests and simulators. */
  readonly ports?: Ports;
}

/** Options after the one check. */
export interface Settings {
  readonly sinks: readonly DeclaredSink[];
  readonly resolve: Resolve;
  readonly log: RequestLog | undefined;
  readonly namespace: string | undefined;
  readonly operation: string | undefined;
  readonly everyMs: number;
  readonly concurrency: number;
  readonly resolveTimeoutMs: number;
  readonly callTimeoutMs: number;
  readonly answerBytesMax: number;
  readonly ports: Ports;
}

const keys = [
  'sinks',
  'resolve',
  'log',
  'namespace',
  'operation',
  'everyMs',
  'concurrency',
  'resolveTimeoutMs',
  'callTimeoutMs',
  'answerBytesMax',
  'ports',
] as const satisfies readonly (keyof ReconcilerOptions)[];

/** @throws InvalidArgumentError */
export function parseSettings(options: ReconcilerOptions): Settings {
  refuseUnknown(options, keys);
  if (typeof options.resolve !== 'function')
    throw new InvalidArgumentError('a reconciler needs resolve: it alone can tell what became of a request');
  const { everyMs, resolveTimeoutMs, callTimeoutMs, answerBytesMax } = options;
  const max = limits.durationMsMax;
  return {
    sinks: parseSinks(options.sinks),
    resolve: options.resolve,
    log: parseLog(options.log),
    namespace: options.namespace,
    operation: options.operation,
    everyMs: duration('everyMs', everyMs, limits.reconcileEveryMsMin, max) ?? limits.reconcileEveryMsDefault,
    concurrency: count('concurrency', options.concurrency, limits.reconcileConcurrencyMax) ?? limits.reconcileConcurrencyDefault,
    resolveTimeoutMs: duration('resolveTimeoutMs', resolveTimeoutMs, 1, max) ?? limits.resolveTimeoutMsDefault,
    callTimeoutMs: duration('callTimeoutMs', callTimeoutMs, limits.callTimeoutMsMin, max) ?? limits.callTimeoutMsDefault,
    answerBytesMax: count('answerBytesMax', answerBytesMax, limits.answerBytesMax) ?? limits.answerBytesDefault,
    ports: options.ports ?? systemPorts(),
  };
}

function parseLog(log: RequestLog | undefined): RequestLog | undefined {
  if (log === undefined || typeof log?.take === 'function') return log;
  throw new InvalidArgumentError('log has no take(): give what consensusLog() resolves to, awaited');
}

function parseSinks(sinks: unknown): readonly DeclaredSink[] {
  if (!Array.isArray(sinks)) {
    throw new InvalidArgumentError(
      'a reconciler needs sinks: the guards of all that handlers write to, or [] if none of it can compare fences',
    );
  }
  return sinks.map((sink: RaisableSink | DeclaredSink) => {
    const isDeclared = typeof sink === 'object' && sink !== null && 'guard' in sink;
    const declared: DeclaredSink = isDeclared ? sink : { guard: sink };
    if (typeof declared.guard?.raise === 'function') return declared;
    throw new InvalidArgumentError('a sink is a guard, or { guard, resources }: one of these has no raise()');
  });
}
