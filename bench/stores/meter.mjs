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
  return stats.reduce((sum, { ticks }) => sum + ticks * tickSeconds, 0);
}

/** A process and its children. What a child has used that has ended is in its parent's account. */
function familyOf(pid) {
  const all = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => statOf(entry));
  return all.filter(({ id, parent }) => id === pid || parent === pid);
}

function statOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = fields.slice(11, 15).reduce((sum, each) => sum + Number(each), 0);
    return [{ id: Number(pid), parent: Number(fields[1]), ticks }];
  } catch {
    // It has ended.
    return [];
  }
}
