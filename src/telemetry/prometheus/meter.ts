import type { Metric, Registry } from 'prom-client';
import { InvalidArgumentError } from '../../core/errors.js';
import { type Instrument, instruments } from '../instruments.js';
import type { Counter, Histogram, Labels, Meter, Reading } from '../meter.js';
import { CounterFamily, type Family, GaugeFamily, HistogramFamily } from './series.js';

/**
 * The instruments in a register of prom-client. They are its metrics to whoever scrapes, but count by themselves: prom-client's own look the
 * labels up at each observation, which would be a good part of the price of an uncontended lock.
 */
export class PrometheusMeter implements Meter {
  readonly #register: Registry;
  readonly #families = new Map<Instrument, Family>();

  /** @throws InvalidArgumentError */
  constructor(register: Registry) {
    this.#register = register;
    const all: readonly Instrument[] = Object.values(instruments);
    const taken = all.find(({ name }) => register.getSingleMetric(name) !== undefined);
    if (taken !== undefined) {
      throw new InvalidArgumentError(
        `the register has a metric "${taken.name}" already: stop() the other prometheusMetrics() first, or give each a register of its own`,
      );
    }
    for (const instrument of all) {
      const family = familyOf(instrument);
      this.#families.set(instrument, family);
      register.registerMetric(metricOf(instrument, family));
    }
  }

  counter(instrument: Instrument, labels: Labels): Counter {
    return (this.#families.get(instrument) as CounterFamily).counter(labels);
  }

  histogram(instrument: Instrument, labels: Labels): Histogram {
    return (this.#families.get(instrument) as HistogramFamily).histogram(labels);
  }

  gauge(instrument: Instrument, read: () => Iterable<Reading>): void {
    (this.#families.get(instrument) as GaugeFamily).read = read;
  }

  remove(): void {
    for (const { name } of Object.values(instruments)) this.#register.removeSingleMetric(name);
  }
}

function familyOf(instrument: Instrument): Family {
  if (instrument.type === 'histogram') return new HistogramFamily(instrument);
  return instrument.type === 'counter' ? new CounterFamily() : new GaugeFamily();
}

/** What a register asks of its metrics, and whoever merges those of a cluster's workers. */
function metricOf({ name, help, type }: Instrument, family: Family): Metric {
  const metric = {
    name,
    help,
    type,
    aggregator: 'sum',
    get: async () => ({ name: metric.name, help, type, aggregator: 'sum', values: [...family.samples()] }),
    reset() {},
  };
  // Its types know its own four classes only.
  return metric as unknown as Metric;
}
