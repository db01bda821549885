import type { Scan } from '../doctor/index.js';
import { printable } from './printable.js';
import { quoted } from './table.js';

/** What a person reads of a long list; the JSON has all of it. */
const shownMax = 20;

export function scanText({ names, holds, waiters, counts, found, similar }: Scan): string {
  const lines = [`${names} names, ${holds} holds, ${waiters} waiting`];
  for (const [id, count] of [...counts].sort((a, b) => b[1] - a[1])) lines.push(`  ${String(count).padStart(6)}  ${id}`);
  for (const { name, verdicts } of found.slice(0, shownMax)) {
    for (const { id, summary } of verdicts) lines.push(`${quoted(name)} ${id}: ${summary}`);
  }
  if (found.length > shownMax) lines.push(`and ${found.length - shownMax} more names: --json has all`);
  const [first] = found;
  if (first !== undefined) lines.push(`next: look at one of them: holdfast doctor NAME`);
  for (const { differs, names: group } of similar.slice(0, shownMax)) {
    const what = differs === 'case' ? 'upper and lower case' : 'what stands in front';
    lines.push(`is one thing meant? these differ only in ${what}: ${group.slice(0, 4).map(quoted).join(', ')}`);
  }
  if (similar.length > shownMax) lines.push(`and ${similar.length - shownMax} more groups of such names: --json has all`);
  return lines.map((line) => `${printable(line)}\n`).join('');
}

export function scanJson({ counts, ...rest }: Scan) {
  return { ...rest, counts: Object.fromEntries(counts) };
}
