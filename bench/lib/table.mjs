/** A table as text for the terminal or as Markdown. `rows` are strings; the first column is on the left, figures on the right. */
export function table(headings, rows, format) {
  const widths = headings.map((heading, column) => Math.max(...[heading, ...rows.map((row) => row[column])].map(width)));
  const pad = (cell, column) =>
    column === 0 ? cell + blank(widths[column] - width(cell)) : blank(widths[column] - width(cell)) + cell;
  const line = (cells) => cells.map(pad);
  if (format === 'markdown') {
    const rule = widths.map((w, column) => (column === 0 ? '-'.repeat(w) : `${'-'.repeat(w - 1)}:`));
    return [line(headings), rule, ...rows.map(line)].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
  }
  const rule = widths.map((w) => '─'.repeat(w));
  return [line(headings), rule, ...rows.map(line)].map((cells) => `  ${cells.join('  ').trimEnd()}`).join('\n');
}

function width(text) {
  return [...text].length;
}

function blank(length) {
  return ' '.repeat(Math.max(0, length));
}
