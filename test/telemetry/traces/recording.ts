import { context, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core';
import { BasicTracerProvider, InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';

/** An SDK in this process, as an application registers it, that keeps what has ended. */
export class Recording {
  readonly #exporter = new InMemorySpanExporter();

  constructor() {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    const propagators = [new W3CTraceContextPropagator(), new W3CBaggagePropagator()];
    propagation.setGlobalPropagator(new CompositePropagator({ propagators }));
    trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(this.#exporter)] }));
  }

  /** In the order of their ends. */
  all(name: string): ReadableSpan[] {
    return this.#exporter.getFinishedSpans().filter((span) => span.name === name);
  }

  /** All of one request, by the attribute that the application has given the span around it. */
  of(work: string): Record<'work' | 'lock' | 'wait' | 'hold' | 'release', ReadableSpan | undefined> {
    const spans = this.#exporter.getFinishedSpans();
    const whole = spans.find(({ name }) => name === work);
    const below = (parent: ReadableSpan | undefined, name: string) =>
      spans.find((span) => span.name === name && isBelow(span, parent));
    const lock = below(whole, 'lock');
    const [wait, hold, release] = ['lock wait', 'lock hold', 'lock release'].map((name) => below(lock, name));
    return { work: whole, lock, wait, hold, release };
  }

  clear(): void {
    this.#exporter.reset();
  }

  stop(): void {
    trace.disable();
    propagation.disable();
    context.disable();
  }
}

export function isBelow(span: ReadableSpan | undefined, parent: ReadableSpan | undefined): boolean {
  return span !== undefined && parent !== undefined && span.parentSpanContext?.spanId === parent.spanContext().spanId;
}

/** Ids of the spans that one links to. */
export function linked(span: ReadableSpan | undefined): string[] | undefined {
  return span?.links.map((link) => link.context.spanId);
}

export function idOf(span: ReadableSpan | undefined): string | undefined {
  return span?.spanContext().spanId;
}

/** Runs a piece of the application in a span of its own. */
export function inSpan<T>(name: string, work: () => Promise<T>): Promise<T> {
  return trace.getTracer('application').startActiveSpan(name, async (span) => {
    try {
      return await work();
    } finally {
      span.end();
    }
  });
}
