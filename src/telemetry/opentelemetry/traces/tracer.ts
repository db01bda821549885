import { type Context, context, type TracerProvider, trace } from '@opentelemetry/api';
import { encodeName } from '../../../core/name.js';
import type { RequestTrace, TracedRequest, Tracer } from '../../../core/tracer.js';
import { contextOf } from './lease-context.js';
import { Making } from './making.js';
import { RequestSpans } from './request-spans.js';
import { UnsampledRequest } from './unsampled-request.js';

export interface OpenTelemetryTracerOptions {
  /** Default: the one that the application has registered. */
  readonly tracerProvider?: TracerProvider;
  /**
   * What stands for the name of a lock in spans and baggage, for names that must not leave this service. Default: the name, with
   * what is no text in it (control characters, halves of surrogate pairs) escaped.
   */
  readonly lockId?: (name: string) => string;
  /** Whether what runs under a lock carries its lease in the baggage of its requests to others. Default: true. */
  readonly baggage?: boolean;
}

/** A tracer for `new Holdfast(backend, { tracer })`. One may serve several instances. */
export interface OpenTelemetryTracer extends Tracer {
  /**
   * The context of a lease, with its span and baggage: for `acquire`, where no callback runs in it, and for all but the innermost of
   * `requestAll`. The active context for a lease that no tracer has followed.
   */
  contextOf(lease: object): Context;
}

const scope = 'holdfast';

/**
 * Spans of every request, with links to those it waited for, in the trace of its caller; and the lease as baggage of what its
 * callback sends. Nothing is recorded unless the application has an OpenTelemetry SDK.
 */
export function openTelemetryTracer(options: OpenTelemetryTracerOptions = {}): OpenTelemetryTracer {
  const provider = options.tracerProvider ?? trace;
  const { lockId = encodeName, baggage = true } = options;
  const making = new Making({ tracer: provider.getTracer(scope), lockId, baggage });
  return {
    follow(request: TracedRequest): RequestTrace {
      const begun = making.begin(request);
      if (!begun.whole.isRecording()) return new UnsampledRequest(making, begun);
      return new RequestSpans(making, begun, request.steal ? 'stole' : 'waited');
    },
    contextOf: (lease: object): Context => contextOf(lease) ?? context.active(),
  };
}
