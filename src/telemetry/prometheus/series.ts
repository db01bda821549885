import type { Instrument } from '../instruments.js';
import type { Counter, Histogram, Labels, Reading } from '../meter.js';

/** One line of the text, as prom-client's register takes it. */
export interface Sample {
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** All series of one instrument. Read when somebody scrapes; until then counting is an addition. */
export interface Family {
  samples(): Iterable<Sample>;
}

export class CounterFamily implements Family {
  readonly #series: { readonly labels: Labels; value: number }[] = [];

  counter(labels: Labels): Counter {
    const series = { labels, value: 0 };
    this.#series.push(series);
    return {
      add(count) {
        series.value += count;
      },
    };
  }

  samples(): Iterable<Sample> {
    return this.#series;
  }
}

interface Distribution {
  readonly labels: Labels;
  /** By bucket, not cumulated; the last is beyond all bounds. */
  readonly counts: number[];
  sum: number;
}

export class HistogramFamily implements Family {
  readonly #name: string;
  readonly #bounds: readonly number[];
  readonly #series: Distribution[] = [];

  constructor({ name, buckets = [] }: Instrument) {
    this.#name = name;
    this.#bounds = buckets;
  }

  histogram(labels: Labels): Histogram {
    const bounds = this.#bounds;
    const series: Distribution = { labels, counts: Array.from({ length: bounds.length + 1 }, () => 0), sum: 0 };
    this.#series.push(series);
    return {
      record(value) {
        let bucket = 0;
        while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket += 1;
        series.counts[bucket] = (series.counts[bucket] as number) + 1;
        series.sum += value;
      },
    };
  }

  *samples(): Iterable<Sample> {
    for (const { labels, counts, sum } of this.#series) {
      let count = 0;
      for (const [bucket, ofBucket] of counts.entries()) {
        count += ofBucket;
        const le = this.#bounds[bucket] ?? '+Inf';
        yield { metricName: `${this.#name}_bucket`, labels: { le, ...labels }, value: count };
      }
      yield { metricName: `${this.#name}_sum`, labels, value: sum };
      yield { metricName: `${this.#name}_count`, labels, value: count };
    }
  }
}

export class GaugeFamily implements Family {
  read: () => Iterable<Reading> = () => [];

  samples(): Iterable<Sample> {
    return this.read();
  }
}
