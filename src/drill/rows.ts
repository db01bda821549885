import type { Promised } from './promises.js';

/** One line of the report: a fault, what was promised for it, and what was seen. */
export interface Row {
  readonly fault: string;
  readonly promise: Promised;
  /** In figures of this run: `the next one within 4.0 s`. */
  readonly promised: string;
  readonly seen: string;
  readonly held: boolean;
}

/** A fault that was not tried. */
export interface NotTried {
  readonly fault: string;
  readonly why: string;
  /** The store or the machine failed it, where it should have worked. */
  readonly failed: boolean;
}

/** For a cell of the table. */
export function inSeconds(ms: number): string {
  return Math.abs(ms) < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}
