import type { RuleSettings, Severity } from './settings.js';

/** One alert: what fires it, and what a person reads. `{{ … }}` is filled in by Prometheus. */
export interface Alert {
  readonly name: string;
  readonly severity: Severity;
  readonly expr: string;
  /** How long it must be so. */
  readonly forMs: number;
  readonly summary: string;
  readonly description: string;
}

/** The labels that every alert about locks keeps. */
export function labelsOf(settings: RuleSettings): string {
  return [...settings.by, 'group'].join(', ');
}

/** Who is meant, for a sentence: `group "payments" of api`. The labels may be any, so each is named. */
export function whose(settings: RuleSettings, ...labels: readonly string[]): string {
  return [...labels, ...settings.by].map((label) => `${label} {{ $labels.${label} }}`).join(', ');
}

/** `LockLost` → `lock-lost`: the name of its page in docs/runbooks. */
export function pageOf(alert: string): string {
  return alert.replace(/(?<=.)(?=[A-Z])/g, '-').toLowerCase();
}
