import { isSpanContextValid, type Link, type Span, type SpanContext } from '@opentelemetry/api';
import type { Metadata } from '../../../core/backend.js';
import type { Notes } from '../../../core/tracer.js';

/** Version 00 of the header `traceparent` (W3C Trace Context). What comes after the flags is another version's. */
const pattern = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/** What is written beside a hold; nothing without an SDK, whose spans have no identity. */
export function noteOf(span: Span): Metadata | undefined {
  const { traceId, spanId, traceFlags } = span.spanContext();
  if (!isSpanContextValid({ traceId, spanId, traceFlags })) return undefined;
  return { traceparent: `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}` };
}

/** Links to those that were noted. Whoever can write into the store wrote this: what is no traceparent is left out. */
export function linksTo(notes: Notes, how: 'waited' | 'stole'): Link[] {
  return notes.flatMap((note) => {
    const context = contextOf(note?.['traceparent']);
    return context === undefined ? [] : [{ context, attributes: { 'holdfast.came_after': how } }];
  });
}

function contextOf(text: unknown): SpanContext | undefined {
  const [, traceId, spanId, flags] = (typeof text === 'string' ? pattern.exec(text) : null) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  const context = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
  return isSpanContextValid(context) ? context : undefined;
}
