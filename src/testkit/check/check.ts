import type { History } from './history.js';
import { readHistory } from './model.js';
import { rules } from './rules/index.js';

/** Something that must never happen, and did. */
export interface Violation {
  readonly rule: string;
  readonly what: string;
  /** Where in the history it shows. */
  readonly index: number;
}

/** Judges a history. Pure: neither clock nor store is asked, only what was written down. */
export function check(history: History): readonly Violation[] {
  const model = readHistory(history);
  const found = rules.flatMap((rule) => Array.from(rule.find(model), (it) => ({ rule: rule.name, ...it })));
  return found.sort((a, b) => a.index - b.index);
}
