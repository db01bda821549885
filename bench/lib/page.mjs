import { readFileSync, writeFileSync } from 'node:fs';

/** Puts one suite's new tables in the place of its old ones, so that its figures always come from one run. */
export function replaceTables(file, suite, tables) {
  const begin = `<!-- bench ${suite}: begin -->`;
  const end = `<!-- bench ${suite}: end -->`;
  const text = readFileSync(file, 'utf8');
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${file} lacks "${begin}" and "${end}": put them where the tables belong`);
  writeFileSync(file, `${text.slice(0, from + begin.length)}\n\n${tables.trim()}\n\n${text.slice(to)}`);
}
