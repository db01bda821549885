import type { Finding } from '../core/backend.js';
import type { Verdict } from '../doctor/index.js';
import { isWell } from '../doctor/index.js';
import { printable } from './printable.js';
import { quoted } from './table.js';

/** A person in a hurry reads one screen, and no more than this of it: as a terminal of `columns` breaks it. */
const rowsMax = 11;
const columns = 80;
/** What was seen may hold keys and errors of any length: the JSON has all of it. */
const proseRowsMax = 2;

/** At most `rowsMax` rows, unless the first command alone takes more: where much is the matter, the first of it is told whole. */
export function verdictsText(name: string, verdicts: readonly Verdict[]): string {
  const [first, ...others] = verdicts;
  if (first === undefined) return '';
  const lines = [...linesOf(name, first, 3, rowsMax - Number(others.length > 0))];
  let untold = others.length;
  for (const verdict of others) {
    const more = linesOf(name, verdict, 1, rowsMax);
    if (rowsOf([...lines, ...more]) > rowsMax - Number(untold > 1)) break;
    lines.push(...more);
    untold -= 1;
  }
  if (untold > 0) lines.push(`${untold} more: holdfast doctor --json tells all`);
  return lines.map((line) => `${line}\n`).join('');
}

/** The head, the first command and the page always; of the rest what there is room for: the first that was seen, then the other command. */
function linesOf(name: string, verdict: Verdict, partsMax: number, room: number): string[] {
  const { id, summary, evidence, next } = verdict;
  const head = [prose(`${quoted(name)} ${id}: ${summary}`)];
  const seen = evidence.slice(0, partsMax).map((line) => [prose(`  seen  ${line}`)]);
  const [step, ...otherSteps] = next
    .slice(0, Math.min(partsMax, 2))
    .map(({ why, command }, i) => [prose(`  ${i === 0 ? 'next' : 'or  '}  ${why}:`), `        ${printable(command)}`]);
  const isFine = isWell(verdict);
  const page = isFine ? [] : [`  more  docs/runbooks/${id}.md`];
  const told = new Set([head, page]);
  const wanted = isFine ? seen : [step, seen[0], ...otherSteps, ...seen.slice(1)];
  for (const part of wanted) {
    if (part !== undefined && (part === step || rowsOf([...told, part].flat()) <= room)) told.add(part);
  }
  return [head, ...seen, ...(step === undefined ? [] : [step]), ...otherSteps, page].filter((part) => told.has(part)).flat();
}

function rowsOf(lines: readonly string[]): number {
  return lines.reduce((sum, { length }) => sum + Math.ceil(length / columns), 0);
}

/** Shortened in its middle. */
function prose(line: string): string {
  const safe = printable(line);
  const over = safe.length - columns * proseRowsMax;
  if (over <= 0) return safe;
  return `${safe.slice(0, columns)}…${safe.slice(columns + over + 1)}`;
}

export function findingsText(findings: readonly Finding[]): string {
  if (findings.length === 0) return 'the store: nothing found that would make it unsafe\n';
  const lines = findings.flatMap(({ severity, what, why, fix }) => [`${severity}: ${what}`, `  why   ${why}`, `  next  ${fix}`]);
  return lines.map((line) => `${printable(line)}\n`).join('');
}
