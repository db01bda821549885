/** The middle value: one disturbed round does not move it. Undefined if there is nothing to take it from. */
export function median(values) {
  const sorted = values.filter((value) => value !== undefined).sort((a, b) => a - b);
  if (sorted.length === 0) return undefined;
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Busiest caller / idlest caller; Infinity if one of them never had a turn. */
export function spread(counts) {
  return Math.max(...counts) / Math.min(...counts);
}

export function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
