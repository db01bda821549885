import type { Instrument } from './instruments.js';

/** Values of one series, by the names in `Instrument.labels`. */
export type Labels = Readonly<Record<string, string>>;

export interface Counter {
  add(count: number): void;
}

export interface Histogram {
  record(value: number): void;
}

/** One value of a gauge at the moment at which it is asked for. */
export interface Reading {
  readonly labels: Labels;
  readonly value: number;
}

/** What an exporter makes of instruments. Series are made once, so that counting looks up nothing. */
export interface Meter {
  counter(instrument: Instrument, labels: Labels): Counter;
  histogram(instrument: Instrument, labels: Labels): Histogram;
  /** `read` is called whenever somebody wants to know. */
  gauge(instrument: Instrument, read: () => Iterable<Reading>): void;
}
