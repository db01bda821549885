import { describe, expect, it } from 'vitest';
import { errorCodes } from '../../src/core/errors.js';
import { read } from './files.js';

const page = read('docs/errors.md');
const documented = [...page.matchAll(/^### `([A-Z_]+)`$/gm)].map((match) => match[1] ?? '');
const sections = new Map(page.split(/^### /m).map((section) => [/^`([A-Z_]+)`/.exec(section)?.[1] ?? '', section]));

describe('docs/errors.md', () => {
  it('has a section for every code, and no other', () => {
    expect(
      [...documented].sort(),
      'codes of src/core/errors.ts and "### `CODE`" headings of docs/errors.md must be the same',
    ).toEqual([...errorCodes].sort());
    expect(new Set(documented).size).toBe(documented.length);
  });

  it.each(errorCodes)('%s says when, what it means, and what to do', (code) => {
    const section = sections.get(code) ?? '';
    for (const label of ['**When.**', '**Meaning.**', '**Do.**']) {
      expect(section, `the section of ${code} lacks a paragraph that starts with ${label}`).toContain(label);
    }
  });

  it('names every class and every loss', () => {
    const source = read('src/core/errors.ts');
    const classes = [...source.matchAll(/^export class (\w+)/gm)].map((match) => match[1] ?? '');
    const losses = /export type Loss = ([^;]+);/.exec(source)?.[1]?.match(/\w+/g) ?? [];
    expect(losses.length).toBeGreaterThan(0);
    for (const word of [...classes, ...losses]) expect(page, `docs/errors.md does not mention ${word}`).toContain(`\`${word}\``);
  });

  it('names every exit code of the command line', () => {
    const source = read('src/cli/exit.ts');
    const codes = [...source.matchAll(/^ {2}\w+: (\d+),$/gm)].map((match) => (match[1] === '128' ? '128+n' : match[1]));
    expect(codes).toContain('76');
    for (const file of ['docs/errors.md', 'docs/cli.md']) {
      const rows = [...read(file).matchAll(/^\|\s*(\d+(?:\+n)?)\s*\|/gm)].map((match) => match[1]);
      expect(rows.sort(), `the table of exit codes in ${file} and src/cli/exit.ts differ`).toEqual([...codes].sort());
    }
  });
});
