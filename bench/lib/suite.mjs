import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { compare } from './rounds.mjs';
import { judge } from './targets.mjs';
import { works as allWorks } from './works.mjs';

/**
 * Runs one suite from end to end. Every contender has a folder of its own per work, so no store is warmer than another;
 * a suite whose contenders share a server starts it, empties it before each turn, and stops it whatever happens.
 */
export async function runSuite(suite, options) {
  // A suite that does not measure locks has works of its own.
  return suite.run === undefined ? runLocks(suite, options) : suite.run(options);
}

async function runLocks(suite, { quick, rounds, only, contenders, folder, progress, delayMs }) {
  const works = chosen(suite, only, quick);
  const among = pick(suite.contenders, contenders, 'contender');
  const server = await suite.start?.({ folder, delayMs });
  try {
    const measured = [];
    for (const work of works) {
      const optionsFor = (contender) => {
        const own = join(folder, `${work.key}-${contender.key}`);
        mkdirSync(own, { recursive: true });
        return { folder: own, ...server?.options, ...contender.options };
      };
      const empty = async () => server?.empty(work.key);
      const rows = await compare(work, among, { rounds: rounds ?? (quick ? 1 : 5), quick, optionsFor, empty, progress });
      measured.push({ work: { key: work.key, title: work.title, kind: work.task.kind }, rows });
    }
    const title = typeof suite.title === 'function' ? suite.title({ delayMs }) : suite.title;
    return { suite: title, machine: suite.machine(), quick, measured, targets: judge(suite, measured) };
  } finally {
    await server?.stop();
  }
}

function chosen(suite, only, quick) {
  return pick(
    allWorks({ quick, held: suite.held }).filter(({ key }) => suite.works.includes(key)),
    only,
    'work',
  );
}

/** Those of `all` whose keys are wanted; all of them if nobody said. */
export function pick(all, wanted, what) {
  const known = all.map(({ key }) => key);
  for (const key of wanted ?? []) {
    if (!known.includes(key)) throw new Error(`no ${what} "${key}": choose among ${known.join(', ')}`);
  }
  return wanted === undefined ? all : all.filter(({ key }) => wanted.includes(key));
}
