import { pageOf, type Report } from '../drill/report.js';
import { roughDuration } from './duration.js';
import { plainTable } from './table.js';

/** What a drill has found, for people: a table, and a sentence for each promise that did not hold. */
export async function drillText(report: Report): Promise<string> {
  const { rows, notTried, ttlMs, tookMs, left } = report;
  const cells = rows.map(({ fault, promise, promised, seen, held }) => [
    fault,
    promise.title,
    promised,
    seen,
    held ? 'yes' : 'NO',
  ]);
  const skipped = notTried.map(({ fault, why, failed }) => `${failed ? 'FAILED ' : 'skipped '} ${fault}: ${why}\n`);
  const table = await plainTable(['FAULT', 'PROMISE', 'PROMISED', 'SEEN', 'HELD'], cells, (painted, index, colours) => {
    if (rows[index]?.held === false) for (const at of [3, 4]) painted[at] = colours.red(painted[at] ?? '');
  });
  const broken = rows
    .filter(({ held }) => !held)
    .map((row) => `BROKEN   ${row.fault}: ${row.promise.title}: ${row.seen}; promised: ${row.promised} (${pageOf(row)})\n`);
  const count = `${rows.length - broken.length} of ${rows.length} held, with a TTL of ${roughDuration(ttlMs)}, in ${roughDuration(tookMs)}`;
  const rest = left === 0 ? '' : `; ${left ?? 'perhaps some'} holds of the drill are left, and end with their TTL`;
  return [rows.length === 0 ? '' : `${table}\n`, ...skipped, ...broken, `${count}${rest}\n`].join('');
}
