/**
 * Decisions as a pure function of where they are taken. A stream of random numbers would shift every later decision when
 * one fault is removed; these do not, so a failing run can be shrunk by leaving things out.
 */
export interface Dice {
  readonly seed: number;
}

function text(into: number, value: string): number {
  let h = into;
  for (let i = 0; i < value.length; i++) h = Math.imul(h ^ value.charCodeAt(i), 0x01000193);
  return h;
}

/** Uniform in [0, 2^32). (FNV-1a over the site, then MurmurHash3's finalizer.) */
export function hash(seed: number, site: string, who: string, nth: number): number {
  let h = text(text(0x811c9dc5 ^ seed, site) ^ 0x9e3779b9, who) ^ Math.imul(nth + 1, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13) ^ Math.imul(seed, 0x27d4eb2f), 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  return (h ^ (h >>> 15)) >>> 0;
}

/** Uniform in [0, 1). */
export function roll(dice: Dice, site: string, who = '', nth = 0): number {
  return hash(dice.seed, site, who, nth) / 2 ** 32;
}

export function chance(dice: Dice, probability: number, site: string, who = '', nth = 0): boolean {
  return probability > 0 && roll(dice, site, who, nth) < probability;
}

export function between(dice: Dice, min: number, max: number, site: string, who = '', nth = 0): number {
  return min + (max - min) * roll(dice, site, who, nth);
}

export function integer(dice: Dice, min: number, max: number, site: string, who = '', nth = 0): number {
  return Math.floor(between(dice, min, max + 1, site, who, nth));
}

export function pick<T>(dice: Dice, from: readonly T[], site: string, who = '', nth = 0): T {
  const chosen = from[integer(dice, 0, from.length - 1, site, who, nth)];
  if (chosen === undefined) throw new Error(`nothing to pick from at ${site}`);
  return chosen;
}
