import { roughDuration } from './duration.js';
import type { Shown } from './json.js';
import { printable } from './printable.js';
import { wantsColour } from './say.js';

const noBorders = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
} as const;

const heading = ['NAME', 'STATE', 'HOST', 'PID', 'ALIVE', 'SINCE', 'TTL LEFT', 'RENEWED', 'FENCE', 'METADATA', 'KEY'];

/** Longest text of one cell: what is longer is in the JSON. */
const cellMax = 60;

function cell(text: string): string {
  const safe = printable(text);
  return safe.length > cellMax ? `${safe.slice(0, cellMax - 1)}…` : safe;
}

function metadataText(record: Shown): string {
  return Object.entries(record.metadata)
    .map(([key, value]) => `${key}=${value}`)
    .join(' ');
}

function alive(record: Shown): string {
  if (record.alive === undefined) return '?';
  return record.alive ? 'yes' : 'no';
}

function row(record: Shown): string[] {
  const left = record.expiresInMs;
  return [
    record.name,
    record.mode === 'shared' ? `${record.state} shared` : record.state,
    record.node.host,
    String(record.node.pid),
    alive(record),
    roughDuration(record.sinceMs),
    left === undefined ? '' : roughDuration(left),
    record.state === 'held' ? String(record.renewals ?? '?') : '',
    record.fence === undefined ? '' : String(record.fence),
    metadataText(record),
    record.key ?? '',
  ];
}

/** For people: aligned columns, no lines, a bold heading and a red "no" where the output is a terminal. */
export function lockTable(records: readonly Shown[]): Promise<string> {
  return plainTable(heading, records.map(row), (cells, index, colours) => {
    const record = records[index];
    if (record?.alive === false) cells[4] = colours.red('no');
    if (record?.state === 'waiting') cells[1] = colours.yellow(cells[1] ?? '');
  });
}

type Colours = ReturnType<typeof import('picocolors')['createColors']>;

/** @param paint colours the cells of a row, where the output is a terminal */
export async function plainTable(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  paint: (cells: string[], index: number, colours: Colours) => void = () => {},
): Promise<string> {
  const [{ default: Table }, { default: picocolors }] = await Promise.all([import('cli-table3'), import('picocolors')]);
  const colours = picocolors.createColors(wantsColour());
  const table = new Table({
    chars: noBorders,
    style: { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': 0 },
  });
  table.push(headings.map((text) => colours.bold(text)));
  for (const [index, texts] of rows.entries()) {
    const cells = texts.map(cell);
    paint(cells, index, colours);
    table.push(cells);
  }
  const lines = table.toString().split('\n');
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
}

/** A lock's name within a sentence. */
export function quoted(name: string): string {
  return `"${cell(name)}"`;
}
