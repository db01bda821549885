import { type Attributes, type Context, context, type Span, type Tracer, trace } from '@opentelemetry/api';
import type { TracedRequest } from '../../../core/tracer.js';
import { withLease } from './baggage.js';
import { giveTo } from './lease-context.js';

export interface MakingOptions {
  readonly tracer: Tracer;
  readonly lockId: (name: string) => string;
  readonly baggage: boolean;
}

/** A request with its first span. */
export class Begun {
  readonly lockId: string;
  /** That of the caller: what the callback finds in it besides the lock's, it would find without a lock. */
  readonly outer: Context;
  readonly whole: Span;
  #inner: Context | undefined;

  constructor(lockId: string, outer: Context, whole: Span) {
    this.lockId = lockId;
    this.outer = outer;
    this.whole = whole;
  }

  /** With that span in it. Made when it is needed: never while the caller waits. */
  get inner(): Context {
    this.#inner ??= trace.setSpan(this.outer, this.whole);
    return this.#inner;
  }
}

/** What all requests of one tracer have in common. */
export class Making {
  readonly tracer: Tracer;
  readonly #options: MakingOptions;

  constructor(options: MakingOptions) {
    this.tracer = options.tracer;
    this.#options = options;
  }

  /** To be called in the async context of the caller. */
  begin(request: TracedRequest): Begun {
    const lockId = this.#options.lockId(request.name);
    const outer = context.active();
    const whole = this.tracer.startSpan('lock', { attributes: attributesOf(lockId, request) }, outer);
    return new Begun(lockId, outer, whole);
  }

  handOut(lease: object, inner: Context): void {
    giveTo(lease, inner);
  }

  /** Runs a callback, to which the lease goes. */
  run<T>(lease: object | null, inner: Context, work: () => T): T {
    if (lease !== null) this.handOut(lease, inner);
    return context.with(inner, work);
  }

  /** What the callback runs in. */
  carrying(inner: Context, lockId: string, leaseGeneration: bigint, fencingToken: bigint): Context {
    return this.#options.baggage ? withLease(inner, { lockId, leaseGeneration, fencingToken }) : inner;
  }
}

function attributesOf(lockId: string, { method, mode, steal, ttlMs, node }: TracedRequest): Attributes {
  return {
    'holdfast.lock_id': lockId,
    'holdfast.method': method,
    'holdfast.mode': mode,
    'holdfast.steal': steal,
    'holdfast.ttl_ms': ttlMs,
    'holdfast.node_id': node,
  };
}
