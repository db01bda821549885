import { bytes, factor, ms, percent, perSecond, ratio } from './figures.mjs';
import { table } from './table.mjs';

/**
 * Columns by the kind of the work's task: heading, and how a row is read. `floor` is the first contender's row. A column
 * whose figure no row has is left out.
 */
const columns = {
  pairs: [
    ['pairs/s', (row) => perSecond(row.pairsPerSecond)],
    ['of the floor', (row, floor) => ratio(row.pairsPerSecond, floor?.pairsPerSecond)],
    ['wait p50 ms', (row) => ms(row.waitMs.p50)],
    ['p99 ms', (row) => ms(row.waitMs.p99)],
    ['max ms', (row) => ms(row.waitMs.max)],
    ['CPU ms/pair', (row, _, contender) => (contender.cpuUnseen ? '–' : ms(row.cpuMsPerPair))],
    ['work ms', (row) => (row.workMs === 0 ? '–' : ms(row.workMs))],
    ['busiest/idlest', (row) => (row.spread === 1 ? '–' : factor(row.spread))],
    ['second rounds', (row) => percent(row.secondRoundShare), 'secondRoundShare'],
  ],
  requests: [
    ['requests/s', (row) => perSecond(row.requestsPerSecond)],
    ['of the floor', (row, floor) => ratio(row.requestsPerSecond, floor?.requestsPerSecond)],
    ['p50 ms', (row) => ms(row.waitMs.p50)],
    ['p99 ms', (row) => ms(row.waitMs.p99)],
    ['CPU ms/request', (row) => ms(row.cpuMsPerRequest)],
    ['round trips/request', (row) => (row.roundTripsPerRequest === 0 ? '–' : factor(row.roundTripsPerRequest))],
  ],
  backlog: [
    ['events/s', (row) => perSecond(row.perSecond)],
    ['CPU µs/event', (row) => ms(row.cpuUsPerEvent)],
  ],
  latency: [
    ['p50 ms', (row) => ms(row.p50)],
    ['p99 ms', (row) => ms(row.p99)],
    ['max ms', (row) => ms(row.max)],
  ],
  telemetry: [
    ['pairs/s', (row) => perSecond(row.pairsPerSecond)],
    ['of off', (row) => factor(row.ofOff)],
    ['wait p50 ms', (row) => ms(row.waitMs.p50)],
    ['p99 ms', (row) => ms(row.waitMs.p99)],
    ['CPU µs/pair', (row) => ms(row.cpuUsPerPair)],
    ['CPU, of off', (row) => factor(row.cpuOfOff)],
  ],
  hold: [
    ['of a core', (row) => percent(row.cpuShare)],
    ['heap per lease', (row) => bytes(row.heapPerLease)],
    ['renew calls/s', (row) => perSecond(row.renewCallsPerSecond)],
    ['server µs per lease and second', (row) => ms(row.serverUsPerLeaseSecond), 'serverUsPerLeaseSecond'],
    ['server, of a core', (row) => percent(row.serverShare), 'serverShare'],
  ],
};

/** Everything that was measured, for people. */
export function render({ suite, machine, measured, targets, quick }, contenders, format) {
  const parts = [heading(format, `${suite}`), machine];
  if (quick) parts.push('Quick rounds: the shape of the tables only, the figures mean nothing.');
  for (const { work, rows } of measured) parts.push(workTable(work, rows, contenders, format));
  if (targets.length > 0) parts.push(targetTable(targets, format));
  const shown = new Set(measured.flatMap(({ rows }) => rows.map((row) => row.contender)));
  parts.push(
    settingsList(
      contenders.filter(({ key }) => shown.has(key)),
      format,
    ),
  );
  return `${parts.join('\n\n')}\n`;
}

function workTable(work, rows, contenders, format) {
  const shown = columns[work.kind].filter(
    ([, , figure]) => figure === undefined || rows.some((row) => row[figure] !== undefined),
  );
  const floor = rows.find((row) => row.contender === contenders[0].key);
  const contenderOf = (row) => contenders.find(({ key }) => key === row.contender);
  const cells = rows.map((row) => {
    const contender = contenderOf(row);
    return [contender.label, ...shown.map(([, read]) => (row.out === undefined ? read(row, floor, contender) : '–'))];
  });
  const out = rows.flatMap((row) => (row.out === undefined ? [] : [`- ${contenderOf(row).label}: ${row.out}`]));
  const whole = table([work.title, ...shown.map(([name]) => name)], cells, format);
  return out.length === 0 ? whole : `${whole}\n\n${out.join('\n')}`;
}

function targetTable(targets, format) {
  const cells = targets.map(({ says, measured, by, shown = factor(measured), met }) => {
    return [says, by === undefined ? shown : `${shown} (${by})`, met ? 'yes' : 'NO'];
  });
  return table(['target', 'measured', 'met'], cells, format);
}

function settingsList(contenders, format) {
  const bullet = format === 'markdown' ? '- ' : '  ';
  return contenders.map(({ label, settings }) => `${bullet}${label}: ${settings}`).join('\n');
}

function heading(format, text) {
  return format === 'markdown' ? `### ${text}` : text;
}
