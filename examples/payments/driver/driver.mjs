import { setTimeout as pause } from 'node:timers/promises';
import { random } from '../random.mjs';
import { pay } from './client.mjs';

/** Clients at the same time. Who comes later waits: a flood would only measure the machine. Few at first: the workers are cold. */
const underWayMax = (done) => Math.min(120, 3 + done / 2);

/** Sends everything that is planned, each at its time, and answers what the clients were told. */
export async function drive(sends, workers, { seed, say }) {
  const next = random(seed);
  const tally = new Tally();
  const startMs = performance.now();
  const told = [];
  let done = 0;
  const progress = setInterval(() => say(`${done} of ${sends.length} requests answered, ${told.length - done} under way`), 5_000);
  try {
    for (const send of sends) {
      const earlyMs = send.atMs - (performance.now() - startMs);
      if (earlyMs > 1) await pause(earlyMs);
      while (told.length - done >= underWayMax(done)) await pause(5);
      told.push(
        pay(send, workers, { next, tally }).finally(() => {
          done += 1;
        }),
      );
    }
    return { told: await Promise.all(told), answers: tally.counts };
  } finally {
    clearInterval(progress);
  }
}

/** How often which status was answered, retries included. */
class Tally {
  counts = {};

  count(status) {
    this.counts[status] = (this.counts[status] ?? 0) + 1;
  }
}
