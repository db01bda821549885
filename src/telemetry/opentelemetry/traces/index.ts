export { type CarriedLease, leaseIn } from './baggage.js';
export { type IncomingHeaders, incomingContext, outgoingHeaders } from './headers.js';
export { type OpenTelemetryTracer, type OpenTelemetryTracerOptions, openTelemetryTracer } from './tracer.js';
