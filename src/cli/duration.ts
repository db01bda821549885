import { usage } from './exit.js';

export { roughDuration } from '../core/rough-duration.js';

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const pattern = /^([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)$/;
const example = 'write a number and a unit, such as 500ms, 10s, 5m or 1h';

export interface Range {
  readonly minMs: number;
  readonly maxMs: number;
}

/** Reads `500ms`, `10s`, `1.5h`. A number without a unit is refused: what it means has been guessed wrong too often. */
export function parseDuration(option: string, text: string, range: Range): number {
  const ms = toMs(option, text);
  if (ms === 0 && range.minMs > 0) throw usage(`${option} is 0: it must be at least ${formatDuration(range.minMs)}`);
  if (ms < range.minMs) throw usage(`${option} is ${text}: it must be at least ${formatDuration(range.minMs)}`);
  if (ms > range.maxMs) throw usage(`${option} is ${text}: it must be at most ${formatDuration(range.maxMs)}`);
  return ms;
}

function toMs(option: string, text: string): number {
  const match = pattern.exec(text.trim());
  if (match !== null) {
    const [, number = '', unit = 'ms'] = match;
    return Math.round(Number(number) * unitMs[unit as keyof typeof unitMs]);
  }
  if (text.trim() === '') throw usage(`${option} is empty: is a variable unset? ${example}`);
  if (/^0+(\.0+)?$/.test(text)) return 0;
  if (/^[0-9.]+$/.test(text) && Number.isFinite(Number(text))) {
    throw usage(`${option} is ${text}, without a unit: did you mean ${text}s or ${text}ms?`);
  }
  if (text.startsWith('-')) throw usage(`${option} is ${text}: a duration cannot be negative; ${example}`);
  throw usage(`${option} is "${text}", which is no duration: ${example}`);
}

/** The shortest exact way to write it: `90s`, `1h`, `1500ms`. */
export function formatDuration(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    if (ms >= unitMs[unit] && ms % unitMs[unit] === 0) return `${ms / unitMs[unit]}${unit}`;
  }
  return `${Math.round(ms)}ms`;
}
