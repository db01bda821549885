import { command } from './command.mjs';

/** What the meter itself asks is not counted. */
const own = new Set(['info', 'dbsize', 'quit', 'flushall']);
const scripts = new Set(['eval', 'evalsha', 'eval_ro', 'evalsha_ro', 'fcall']);

/** The server's own accounts: time within commands, and processor time with everything around them. */
export function openMeter({ port }) {
  return {
    async read() {
      const commands = await readCommands(port);
      const cpu = await command(port, 'INFO', 'cpu');
      const keys = await command(port, 'DBSIZE');
      return { commands, cpuSeconds: secondsIn(cpu), keys: Number(keys.slice(1)) };
    },
    since,
  };
}

/** What was spent between two readings on leases that were kept for so many seconds. */
function since(before, after, leases, seconds) {
  if (after.keys < leases)
    throw new Error(`only ${after.keys.toLocaleString('en')} of ${leases.toLocaleString('en')} were still held`);
  const counted = spentBetween(before.commands, after.commands);
  const total = (of) => counted.reduce((sum, each) => sum + each[of], 0);
  return {
    renewCallsPerSecond: total('calls') / seconds,
    serverUsPerLeaseSecond: total('us') / leases / seconds,
    serverShare: (after.cpuSeconds - before.cpuSeconds) / seconds,
  };
}

/** What the server has counted of each command. */
export async function readCommands(port) {
  return commandsIn(await command(port, 'INFO', 'commandstats'));
}

/** What came from clients between two readings. */
export function spentBetween(before, after) {
  const spent = [...after].map(([name, { calls, us }]) => {
    const earlier = before.get(name) ?? { calls: 0, us: 0 };
    return { name, calls: calls - earlier.calls, us: us - earlier.us };
  });
  // Commands within a script are in these accounts twice: as themselves and as part of their script.
  const inScripts = spent.filter(({ name, calls }) => scripts.has(name) && calls > 0);
  return inScripts.length > 0 ? inScripts : spent.filter(({ name }) => !own.has(name));
}

function commandsIn(text) {
  const lines = text.matchAll(/^cmdstat_([^:]+):calls=(\d+),usec=(\d+)/gm);
  return new Map([...lines].map(([, name, calls, us]) => [name, { calls: Number(calls), us: Number(us) }]));
}

function secondsIn(text) {
  return ['sys', 'user'].reduce((sum, kind) => sum + Number(text.match(new RegExp(`^used_cpu_${kind}:([\\d.]+)`, 'm'))?.[1]), 0);
}
