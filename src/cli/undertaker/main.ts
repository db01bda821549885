import { readFileSync } from 'node:fs';
import process from 'node:process';
import { bury } from './bury.js';
import { readCommand } from './command-process.js';
import { KnownRemains, type Remains, UnknownRemains } from './remains.js';
import { readWill, type Will } from './will.js';

/*
 * What the guard becomes when its holder died: the will on standard input, the command among the arguments. Nobody reads
 * what it prints, and nobody waits for it.
 */

/** A service manager ends what its service left behind. It gets what it wants after a moment in which a release is done. */
const afterSignalMs = 1_000;

for (const signal of ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM'] as const) {
  process.on(signal, () => setTimeout(() => process.exit(), afterSignalMs));
}
const will = readWill(readFileSync(0, 'utf8'));
if (will !== undefined) {
  // Nobody renews after a death: then there is nothing left to give back, whatever we still wait for.
  setTimeout(() => process.exit(), will.ttlMs);
  // Whatever went wrong, the TTL decides.
  await bury(will, remainsOf(will)).catch(() => undefined);
}
process.exit();

function remainsOf({ runId }: Will): Remains | undefined {
  const command = readCommand(process.argv.slice(2));
  if (command === undefined) return undefined;
  return command === 'unknown' ? new UnknownRemains(runId) : new KnownRemains(command, runId);
}
