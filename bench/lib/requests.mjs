import { randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { until } from './pauses.mjs';
import { packWaits, recordWait, startWaits } from './waits.mjs';

/**
 * Callers that send requests under a key, one after the other, until the time is over. `fresh`: each under a key of its own. `replay`: under keys that
 * were answered before. The store is a contender's: `request(key)`. The meter counts what reaches the server.
 */
export async function requests(store, { startAt, durationMs, callers, mode }, meter) {
  const keys = mode === 'replay' ? Array.from({ length: callers }, () => randomUUID()) : [];
  for (const key of keys) await store.request(key);
  await until(startAt);
  const waits = startWaits();
  const before = await meter.read();
  const cpu = process.cpuUsage();
  const endsAt = performance.now() + durationMs;
  const counts = await Promise.all(Array.from({ length: callers }, (_, index) => call(store, keys[index], endsAt, waits)));
  const used = process.cpuUsage(cpu);
  const calls = meter.callsBetween(before, await meter.read());
  // All that were sent, also those that ended too late to count.
  const sent = counts.reduce((sum, each) => sum + each.sent, 0);
  return {
    counts: counts.map((each) => each.inTime),
    cpuMs: (used.user + used.system) / 1000,
    waits: packWaits(waits),
    roundTripsPerRequest: calls / sent,
  };
}

async function call(store, key, endsAt, waits) {
  for (let inTime = 0, sent = 0; ; sent++) {
    const asked = performance.now();
    if (asked >= endsAt) return { inTime, sent };
    await store.request(key ?? randomUUID());
    const answered = performance.now();
    recordWait(waits, answered - asked);
    if (answered <= endsAt) inTime++;
  }
}
