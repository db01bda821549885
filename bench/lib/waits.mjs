import hdr from 'hdr-histogram-js';

/** Waits in microseconds, up to two minutes, to three digits (Gil Tene's HDR histogram). */
const shape = { lowestDiscernibleValue: 1, highestTrackableValue: 120_000_000, numberOfSignificantValueDigits: 3 };

export function startWaits() {
  return hdr.build(shape);
}

export function recordWait(waits, ms) {
  waits.recordValue(Math.min(Math.max(1, Math.round(ms * 1000)), shape.highestTrackableValue));
}

/** A histogram as text, to cross from one process to another. */
export function packWaits(waits) {
  return hdr.encodeIntoCompressedBase64(waits);
}

/** Percentiles in milliseconds over the histograms of several processes. */
export function percentiles(packed) {
  const all = startWaits();
  for (const text of packed) all.add(hdr.decodeFromCompressedBase64(text));
  const ms = (percentile) => all.getValueAtPercentile(percentile) / 1000;
  return { p50: ms(50), p90: ms(90), p99: ms(99), max: all.maxValue / 1000 };
}
