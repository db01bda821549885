import { type MeterProvider, metrics } from '@opentelemetry/api';
import { checkedMetricsOptions } from '../../options.js';
import { type MetricsOptions, watchInto } from '../../watch.js';
import { OpenTelemetryMeter } from './meter.js';

export interface OpenTelemetryMetricsOptions extends MetricsOptions {
  /** Default: the global one. Set it before this is called. */
  readonly meterProvider?: MeterProvider;
}

/** Metrics that are being kept. */
export interface OpenTelemetryMetrics {
  /** Listens no more; gauges are no longer observed. */
  stop(): void;
}

/**
 * The metrics of `holdfast/telemetry/prometheus`, under the same names, on the OpenTelemetry metrics API. Call it once, after the provider is
 * set and before the first lock is taken.
 *
 * @throws InvalidArgumentError
 */
export function openTelemetryMetrics(options: OpenTelemetryMetricsOptions = {}): OpenTelemetryMetrics {
  checkedMetricsOptions(options, ['groupOf', 'meterProvider']);
  const meter = new OpenTelemetryMeter((options.meterProvider ?? metrics).getMeter('holdfast'));
  const stop = watchInto(meter, options);
  return {
    stop() {
      stop();
      meter.remove();
    },
  };
}
