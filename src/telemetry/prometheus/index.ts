import { register as defaultRegister, type Registry } from 'prom-client';
import { checkedMetricsOptions } from '../options.js';
import { type MetricsOptions, watchInto } from '../watch.js';
import { PrometheusMeter } from './meter.js';

export type { MetricsOptions } from '../watch.js';

export interface PrometheusOptions extends MetricsOptions {
  /** Where the metrics are registered. Default: prom-client's own global register. */
  readonly register?: Registry;
}

/** Metrics that are being kept. */
export interface PrometheusMetrics {
  /** Listens no more, and takes the metrics out of the register. */
  stop(): void;
}

/**
 * Metrics of all locks, guards, idempotency records and relays of this process, on prom-client: `await register.metrics()` is the text that
 * Prometheus scrapes. Call it once, before the first lock is taken: nothing else needs to be wired. `docs/telemetry.md` lists them.
 *
 * @throws InvalidArgumentError for an option that is not valid, or a register that has these metrics already
 */
export function prometheusMetrics(options: PrometheusOptions = {}): PrometheusMetrics {
  checkedMetricsOptions(options, ['groupOf', 'register']);
  const meter = new PrometheusMeter(options.register ?? defaultRegister);
  const stop = watchInto(meter, options);
  return {
    stop() {
      stop();
      meter.remove();
    },
  };
}
