import type { Commands } from './commands.js';
import type { Facts } from './facts.js';

/** Each has a page of this name in docs/runbooks. */
export const verdictIds = [
  'free',
  'healthy',
  'holder-dead',
  'holder-paused',
  'two-claimants',
  'no-ttl',
  'foreign-lock',
  'fence-behind-sink',
  'frozen-record',
  'stuck-behind-dead-waiter',
  'waiting-out-a-pause',
  'held-longer-than-expected',
  'ttl-far-above-work',
] as const;

export type VerdictId = (typeof verdictIds)[number];

export interface NextStep {
  /** What it does, or when it is right. */
  readonly why: string;
  /** For a shell, exactly as it is. */
  readonly command: string;
}

/** What is the matter with one name, in words for whoever is on call. */
export interface Verdict {
  readonly id: VerdictId;
  /** `info`: nothing has to be done. `critical`: nothing will mend it by itself, or two work at once. */
  readonly severity: 'info' | 'warning' | 'critical';
  readonly summary: string;
  /** What was seen, the most telling first. */
  readonly evidence: readonly string[];
  /** The first is the one to run next. */
  readonly next: readonly NextStep[];
}

/** From what was seen to what is the matter; nothing is read here. */
export type Rule = (facts: Facts, commands: Commands) => readonly Verdict[];

/** Whether there is nothing to be done. */
export function isWell({ id }: Verdict): boolean {
  return id === 'free' || id === 'healthy';
}
