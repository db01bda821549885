import type { Model } from './model.js';

/** One promise: finds every place where a history breaks it. */
export interface Rule {
  readonly name: string;
  /** The promise, in a sentence. */
  readonly promise: string;
  readonly find: (model: Model) => Iterable<{ readonly index: number; readonly what: string }>;
}
