import { Crew } from './crew.mjs';

/**
 * One work, all contenders, in turns: A B C A B C … A slow second of the machine hits everyone, and the median of the
 * rounds forgets it. Only one contender runs at a time. Who throws or gives no result in time is out of this work, and is
 * shown with the reason.
 */
export async function compare(work, contenders, { rounds, quick, optionsFor, empty, progress }) {
  const entries = contenders.map((contender) => ({ contender, rounds: [], out: contender.cannot?.[work.key] }));
  const turn = async (entry, doing, act) => {
    if (entry.out !== undefined) return;
    progress(`${work.key}: ${doing}, ${entry.contender.label}`);
    try {
      await act(entry);
    } catch (error) {
      entry.out = `failed (${doing}): ${firstLine(error)}`;
      entry.crew?.kill();
    }
  };
  const run = async (entry, own) => {
    await empty();
    return entry.crew.run({ ...work.task, ...own }, graceMs(quick));
  };
  try {
    for (const entry of entries) {
      await turn(entry, 'start', async () => {
        entry.crew = await Crew.hire(entry.contender, work.processes, optionsFor(entry.contender), graceMs(quick));
      });
    }
    for (const warmUp of work.warmUps ?? []) {
      for (const entry of entries) await turn(entry, 'warm-up', () => run(entry, warmUp));
    }
    for (let round = 0; round < rounds; round++) {
      for (const entry of entries) {
        const measure = async () => entry.rounds.push(await run(entry, { durationMs: work.durationMs }));
        await turn(entry, `round ${round + 1} of ${rounds}`, measure);
      }
    }
    return entries.map((entry) => ({ contender: entry.contender.key, ...resultOf(entry, work) }));
  } finally {
    const crews = entries.flatMap(({ crew }) => crew ?? []);
    // Kill, not dismiss, if something failed: a crew may be stuck in a wait that never ends.
    await Promise.race([Promise.all(crews.map((crew) => crew.dismiss())), killLater(crews)]);
  }
}

/** What a task may take beyond its time: the callers' last turns, and what a contender needs to come to rest. */
function graceMs(quick) {
  return quick ? 20_000 : 40_000;
}

function resultOf({ out, rounds }, work) {
  return out === undefined ? work.summary(rounds, work) : { out };
}

function firstLine(error) {
  return String(error?.message ?? error).split('\n')[0];
}

async function killLater(crews) {
  await new Promise((resolve) => setTimeout(resolve, 5_000).unref());
  for (const crew of crews) crew.kill();
}
