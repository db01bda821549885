import type { Meter as ApiMeter, Counter, Histogram, ObservableCallback, ObservableGauge } from '@opentelemetry/api';
import { type Instrument, instruments } from '../../instruments.js';
import type { Counter as CounterSeries, Histogram as HistogramSeries, Labels, Meter, Reading } from '../../meter.js';
import { Later } from './later.js';

/** The instruments on the OpenTelemetry metrics API. */
export class OpenTelemetryMeter implements Meter {
  readonly #counters = new Map<Instrument, Counter>();
  readonly #histograms = new Map<Instrument, Histogram>();
  readonly #gauges = new Map<Instrument, ObservableGauge>();
  readonly #observing: (() => void)[] = [];
  readonly #later = new Later();

  constructor(meter: ApiMeter) {
    for (const instrument of Object.values(instruments) as readonly Instrument[]) {
      const { name, help, unit, buckets } = instrument;
      const options = { description: help, unit };
      if (instrument.type === 'counter') this.#counters.set(instrument, meter.createCounter(name, options));
      else if (instrument.type === 'gauge') this.#gauges.set(instrument, meter.createObservableGauge(name, options));
      else {
        const advice = { explicitBucketBoundaries: [...(buckets ?? [])] };
        this.#histograms.set(instrument, meter.createHistogram(name, { ...options, advice }));
      }
    }
  }

  counter(instrument: Instrument, labels: Labels): CounterSeries {
    const counter = this.#counters.get(instrument);
    return this.#later.counter((count) => counter?.add(count, labels));
  }

  histogram(instrument: Instrument, labels: Labels): HistogramSeries {
    const histogram = this.#histograms.get(instrument);
    return this.#later.histogram((value) => histogram?.record(value, labels));
  }

  gauge(instrument: Instrument, read: () => Iterable<Reading>): void {
    const gauge = this.#gauges.get(instrument);
    const observe: ObservableCallback = (result) => {
      // Gauges are asked before the others are read.
      this.#later.flush();
      for (const { labels, value } of read()) result.observe(value, labels);
    };
    gauge?.addCallback(observe);
    this.#observing.push(() => gauge?.removeCallback(observe));
  }

  remove(): void {
    this.#later.flush();
    for (const end of this.#observing) end();
  }
}
