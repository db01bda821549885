import { roughDuration } from '../duration.js';
import { plainTable } from '../table.js';
import type { Frame, GroupLine, Spread } from './tally.js';

export interface Shape {
  /** How far apart the looks are. */
  readonly everyMs: number;
  /** Whether the store shows who waits. */
  readonly queue: boolean;
  /** Lines that there is room for. */
  readonly linesMax: number;
}

const heading = [
  'GROUP',
  'NAMES',
  'HELD',
  'WAITING',
  'GRANTS/S',
  'HOLD P50',
  'P99',
  'OLDEST',
  'WAIT P50',
  'P99',
  'OLDEST',
  'LOST',
];

/** Heading, and what is said below the table. */
const otherLines = 4;

/** For people. What does not fit is counted, and is in the JSON. */
export async function topTable({ groups, overMs }: Frame, { everyMs, queue, linesMax }: Shape): Promise<string> {
  const said = `Over ${roughDuration(overMs)}, from looks ${roughDuration(everyMs)} apart. Estimated: HOLD and WAIT, within such a pause.`;
  const least = 'At least: GRANTS/S and LOST; what begins and ends between two looks is not seen.';
  if (groups.length === 0) return `nobody holds or waits for anything\n\n${said}\n${least}\n`;
  const shown = groups.slice(0, Math.max(1, linesMax - otherLines - 1));
  const table = await plainTable(
    heading,
    shown.map((line) => row(line, queue)),
    (cells, index, colours) => {
      if ((shown[index]?.lost ?? 0) > 0) cells[11] = colours.red(cells[11] ?? '');
    },
  );
  const left = groups.length - shown.length;
  const more = left === 0 ? '' : `and ${left} more groups`;
  return `${table}${more}\n${said}\n${least}\n`;
}

function row(line: GroupLine, queue: boolean): string[] {
  const waits = queue ? [...spread(line.wait), age(line.oldestWaitMs)] : ['?', '?', '?'];
  return [
    line.group,
    String(line.names),
    String(line.held),
    queue ? String(line.waiting) : '?',
    line.grantsPerS.toFixed(1),
    ...spread(line.hold),
    age(line.oldestHoldMs),
    ...waits,
    String(line.lost),
  ];
}

function spread({ p50Ms, p99Ms }: Spread): readonly [string, string] {
  return [p50Ms === undefined ? '-' : roughDuration(p50Ms), p99Ms === undefined ? '-' : roughDuration(p99Ms)];
}

function age(ms: number): string {
  return ms === 0 ? '-' : roughDuration(ms);
}

/** As programs get it: whole milliseconds; null where nothing is known. */
export function topJson({ groups, overMs }: Frame, at: string, { everyMs, queue }: Omit<Shape, 'linesMax'>) {
  const ms = (value: number | undefined) => (value === undefined ? null : Math.round(value));
  const spreadJson = ({ count, p50Ms, p99Ms }: Spread) => ({ count, p50Ms: ms(p50Ms), p99Ms: ms(p99Ms) });
  return {
    at,
    overMs: Math.round(overMs),
    everyMs,
    groups: groups.map((line) => ({
      group: line.group,
      names: line.names,
      held: line.held,
      waiting: queue ? line.waiting : null,
      grantsPerSAtLeast: Math.round(line.grantsPerS * 1_000) / 1_000,
      holdEstimated: { ...spreadJson(line.hold), oldestMs: ms(line.oldestHoldMs) },
      waitEstimated: queue ? { ...spreadJson(line.wait), oldestMs: ms(line.oldestWaitMs) } : null,
      lostAtLeast: line.lost,
    })),
  };
}
