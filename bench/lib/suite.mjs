import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { compare } from './rounds.mjs';
import { works as allWorks } from './works.mjs';

/** Runs one suite from end to end. Every contender has a folder of its own per work, so no store is warmer than another. */
export async function runSuite(suite, { quick, rounds, only, contenders, folder, progress }) {
  const measured = [];
  const among = pick(suite.contenders, contenders, 'contender');
  for (const work of chosen(suite, only, quick)) {
    const optionsFor = (contender) => {
      const own = join(folder, `${work.key}-${contender.key}`);
      mkdirSync(own, { recursive: true });
      return { folder: own, ...contender.options };
    };
    const rows = await compare(work, among, { rounds: rounds ?? (quick ? 1 : 5), optionsFor, progress });
    measured.push({ work: { key: work.key, title: work.title, kind: work.task.kind }, rows });
  }
  return { suite: suite.title, machine: suite.machine(), quick, measured, targets: judge(suite, measured) };
}

function chosen(suite, only, quick) {
  return pick(
    allWorks({ quick }).filter(({ key }) => suite.works.includes(key)),
    only,
    'work',
  );
}

/** Those of `all` whose keys are wanted; all of them if nobody said. */
function pick(all, wanted, what) {
  const known = all.map(({ key }) => key);
  for (const key of wanted ?? []) {
    if (!known.includes(key)) throw new Error(`no ${what} "${key}": choose among ${known.join(', ')}`);
  }
  return wanted === undefined ? all : all.filter(({ key }) => wanted.includes(key));
}

/** The targets whose figures were measured, each with its verdict. */
function judge(suite, measured) {
  const figures = Object.fromEntries(
    measured.map(({ work, rows }) => [work.key, Object.fromEntries(rows.map((row) => [row.contender, row]))]),
  );
  return suite.targets
    .filter((target) => target.needs.every(([work, contender]) => figures[work]?.[contender] !== undefined))
    .map((target) => {
      const value = target.measure(figures);
      return { says: target.says, measured: value, met: target.met(value) };
    });
}
