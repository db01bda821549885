export { type OpenTelemetryMetrics, type OpenTelemetryMetricsOptions, openTelemetryMetrics } from './metrics/index.js';
export {
  type CarriedLease,
  type IncomingHeaders,
  incomingContext,
  leaseIn,
  type OpenTelemetryTracer,
  type OpenTelemetryTracerOptions,
  openTelemetryTracer,
  outgoingHeaders,
} from './traces/index.js';
