import { performance } from 'node:perf_hooks';
import { pause, until } from './pauses.mjs';
import { requests } from './requests.mjs';
import { packWaits, recordWait, startWaits } from './waits.mjs';

/**
 * What a process of a crew can be told to do. The store is a contender's: `pair(name, work)`, `hold(names)`, `close()`.
 * The meter is the suite's, where it can read the server's own accounts.
 */
export const tasks = { pairs, hold, requests };

/**
 * Callers that take a name, work, and give it back, over and over, until the time is over. A pair counts if it was
 * over in time; its wait is the time from the ask to the start of the work.
 */
async function pairs(store, { startAt, durationMs, callers, member, names, workMs }) {
  await until(startAt);
  const waits = startWaits();
  const busyMs = { total: 0, count: 0 };
  const work = workMs === 0 ? () => {} : () => busyFor(workMs, busyMs);
  const before = store.figures?.();
  const cpu = process.cpuUsage();
  const endsAt = performance.now() + durationMs;
  const counts = await Promise.all(
    Array.from({ length: callers }, (_, index) => call(store, namesOf(names, member * callers + index), work, endsAt, waits)),
  );
  const used = process.cpuUsage(cpu);
  return {
    counts,
    cpuMs: (used.user + used.system) / 1000,
    waits: packWaits(waits),
    workMs: busyMs.count === 0 ? 0 : busyMs.total / busyMs.count,
    ...(before && difference(store.figures(), before)),
  };
}

/** What a store counts by itself, for this task. */
function difference(after, before) {
  return Object.fromEntries(Object.entries(after).map(([key, value]) => [key, value - before[key]]));
}

async function call(store, nextName, work, endsAt, waits) {
  let count = 0;
  for (;;) {
    const asked = performance.now();
    if (asked >= endsAt) return count;
    await store.pair(nextName(), () => {
      recordWait(waits, performance.now() - asked);
      return work();
    });
    if (performance.now() <= endsAt) count++;
  }
}

/** `one`: all callers want the same. `own`: each caller has its own. `free`: each walks over a thousand, out of the others' way. */
function namesOf(kind, caller) {
  if (kind === 'one') return () => 'bench:hot';
  if (kind === 'own') return () => `bench:own:${caller}`;
  let turn = caller * 61;
  return () => `bench:free:${turn++ % 1000}`;
}

/** Work that leaves the event loop alone, as I/O would, and takes at least `ms`: a timer may fire a little early. */
async function busyFor(ms, busyMs) {
  const started = performance.now();
  for (let left = ms; left > 0; left = ms - (performance.now() - started)) {
    await new Promise((resolve) => setTimeout(resolve, left));
  }
  busyMs.total += performance.now() - started;
  busyMs.count++;
}

/** Leases that are only kept. What it costs: share of a core, heap, calls to the store, and the server's time. */
async function hold(store, { startAt, count, settleMs, windowMs }, meter) {
  await until(startAt);
  const before = heapBytes();
  const names = Array.from({ length: count }, (_, index) => `bench:held:${index}`);
  const release = await store.hold(names);
  await pause(settleMs);
  const heldBytes = heapBytes() - before;
  const calls = store.renewCalls?.() ?? 0;
  const accounts = await meter?.read();
  const cpu = process.cpuUsage();
  const started = performance.now();
  await pause(windowMs);
  const used = process.cpuUsage(cpu);
  const seconds = (performance.now() - started) / 1000;
  const renewCalls = (store.renewCalls?.() ?? 0) - calls;
  const server = meter?.since(accounts, await meter.read(), count, seconds);
  await release();
  return {
    cpuShare: (used.user + used.system) / 1e6 / seconds,
    heapPerLease: heldBytes / count,
    renewCallsPerSecond: renewCalls / seconds,
    ...server,
  };
}

function heapBytes() {
  // Twice: the first collection may leave what only finalizers freed.
  globalThis.gc();
  globalThis.gc();
  return process.memoryUsage().heapUsed;
}
