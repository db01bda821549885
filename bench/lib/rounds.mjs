import { Crew } from './crew.mjs';

/**
 * One work, all contenders, in turns: A B C A B C … A slow second of the machine hits everyone, and the median of the
 * rounds forgets it. Only one contender runs at a time.
 */
export async function compare(work, contenders, { rounds, optionsFor, progress }) {
  const crews = [];
  try {
    for (const contender of contenders) {
      crews.push({ contender, rounds: [], crew: await Crew.hire(contender, work.processes, optionsFor(contender, work)) });
    }
    if (work.warmUpMs !== undefined) {
      progress(`${work.key}: warm-up`);
      for (const { crew } of crews) await crew.run({ ...work.task, durationMs: work.warmUpMs });
    }
    for (let round = 0; round < rounds; round++) {
      for (const entry of crews) {
        progress(`${work.key}: round ${round + 1} of ${rounds}, ${entry.contender.label}`);
        entry.rounds.push(await entry.crew.run({ ...work.task, durationMs: work.durationMs }));
      }
    }
    return crews.map((entry) => ({ contender: entry.contender.key, ...work.summary(entry.rounds, work) }));
  } finally {
    // Kill, not dismiss, if something failed: a crew may be stuck in a wait that never ends.
    await Promise.race([Promise.all(crews.map(({ crew }) => crew.dismiss())), killLater(crews)]);
  }
}

async function killLater(crews) {
  await new Promise((resolve) => setTimeout(resolve, 5_000).unref());
  for (const { crew } of crews) crew.kill();
}
