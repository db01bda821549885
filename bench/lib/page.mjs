import { readFileSync, writeFileSync } from 'node:fs';

const begin = '<!-- bench: begin -->';
const end = '<!-- bench: end -->';

/** Puts new tables in the place of a page's old ones, so that its figures always come from one run. */
export function replaceTables(file, tables) {
  const text = readFileSync(file, 'utf8');
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${file} lacks "${begin}" and "${end}": put them where the tables belong`);
  writeFileSync(file, `${text.slice(0, from + begin.length)}\n\n${tables.trim()}\n\n${text.slice(to)}`);
}
