/** Numbers from 0 to 1 that are the same for the same seed: Mulberry32 by Tommy Ettinger, in the public domain. */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const between = (next, min, max) => min + next() * (max - min);

export const pick = (next, list) => list[Math.floor(next() * list.length)];

/** One name of `{ name: weight }`. */
export function weighted(next, weights) {
  const entries = Object.entries(weights);
  let left = next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [name, weight] of entries) {
    left -= weight;
    if (left < 0) return name;
  }
  return entries[0][0];
}
