import { readdirSync, readFileSync } from 'node:fs';

/** What one tick of `/proc/<pid>/stat` is: `getconf CLK_TCK`, which is 100 on every Linux. */
const tickSeconds = 0.01;

/** The server's processor time, with that of its children, and the calls that it counts, where it does. */
export async function openMeter(options) {
  const { countCalls } = await import(options.store);
  return {
    read: async () => ({ calls: await countCalls?.(options), cpuSeconds: secondsOf(familyOf(options.pid)) }),
    since: (before, after, leases, seconds) => ({
      ...(countCalls && { renewCallsPerSecond: (after.calls - before.calls) / seconds }),
      serverUsPerLeaseSecond: ((after.cpuSeconds - before.cpuSeconds) * 1e6) / leases / seconds,
      serverShare: (after.cpuSeconds - before.cpuSeconds) / seconds,
    }),
  };
}

function secondsOf(stats) {
  return stats.reduce((sum, [, , user, system]) => sum + (user + system) * tickSeconds, 0);
}

/** A process and its children: `[pid, parent, user, system]`, the times in ticks. */
function familyOf(pid) {
  const all = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => statOf(entry));
  return all.filter(([id, parent]) => id === pid || parent === pid);
}

function statOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return [[Number(pid), Number(fields[1]), Number(fields[11]), Number(fields[12])]];
  } catch {
    // It has ended.
    return [];
  }
}
