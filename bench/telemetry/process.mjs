// One process, in which those who listen change all the time: two processes differ by more than what telemetry costs.
// `process.mjs <JSON: port, keys, rounds, pairs, warmUpPairs>`; answers {key: [{own, off}, …]}, one a round: both {pairsPerSecond, cpuUs, waits}.
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import { packWaits, recordWait, startWaits } from '../lib/waits.mjs';
import { open } from './holdfast.mjs';

const { port, keys, rounds, pairs, warmUpPairs } = JSON.parse(process.argv[2]);
const { listen, close } = await open(port);
const measured = Object.fromEntries(keys.map((key) => [key, []]));
let names = 0;

async function run({ locks, beside }, count, waits) {
  for (let i = 0; i < count; i++) {
    const startMs = performance.now();
    await locks.request(`free:${names++}`, () => {
      recordWait(waits, performance.now() - startMs);
      beside();
    });
  }
}

async function slice(key, count) {
  const listening = listen(key);
  // Whoever listens anew is not yet in the processor's caches.
  await run(listening, 20, startWaits());
  const [waits, startMs, cpu] = [startWaits(), performance.now(), process.cpuUsage()];
  await run(listening, count, waits);
  const [tookMs, { user, system }] = [performance.now() - startMs, process.cpuUsage(cpu)];
  listening.stop();
  return { pairsPerSecond: (count / tookMs) * 1_000, cpuUs: (user + system) / count, waits: packWaits(waits) };
}

/** A slice, and one without anybody beside it: a slow second of the machine hits both. Each is the first of the two in every other round. */
async function besideNobody(key, round) {
  const order = round % 2 === 0 ? ['off', key] : [key, 'off'];
  const taken = [await slice(order[0], pairs), await slice(order[1], pairs)];
  const [off, own] = round % 2 === 0 ? taken : taken.toReversed();
  return { own, off };
}

for (const key of ['off', ...keys]) await slice(key, warmUpPairs);
for (let round = 0; round < rounds; round++) {
  for (const key of keys) measured[key].push(await besideNobody(key, round));
}
await close();
process.stdout.write(JSON.stringify(measured));
