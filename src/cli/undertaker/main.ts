import { readFileSync } from 'node:fs';
import process from 'node:process';
import { bury } from './bury.js';
import { readCommand } from './command-process.js';
import { KnownRemains } from './known-remains.js';
import { UnknownRemains } from './unknown-remains.js';
import { gone, nothing, type Remains } from './remains.js';
import { readWill, type Will } from './will.js';

/*
 * What the guard becomes when its holder died: the will on standard input, the command among the arguments. Nobody reads
 * what it prints, and nobody waits for it.
 */

/** A service manager ends what its service left behind. It gets what it wants after a moment in which a release is done. */
const afterSignalMs = 1_000;
const killingMsMin = 5_000;

for (const signal of ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM'] as const) {
  process.on(signal, () => setTimeout(() => process.exit(), afterSignalMs));
}
const will = readWill(readFileSync(0, 'utf8'));
const remains = will === undefined ? undefined : remainsOf(will);
// Whatever went wrong, the TTL decides.
if (will !== undefined && remains !== undefined) {
  const nothingIsLeft = gone(remains);
  // Nobody renews after a death: then there is nothing left to give back. A short TTL is no reason to let live what is left.
  setTimeout(() => void nothingIsLeft.then(() => process.exit()), will.ttlMs);
  setTimeout(() => process.exit(), Math.max(will.ttlMs, killingMsMin));
  await bury(will, nothingIsLeft).catch(() => undefined);
}
process.exit();

/** Undefined where nobody can know what is left. */
function remainsOf(dead: Will): Remains | undefined {
  const command = readCommand(process.argv.slice(2));
  if (command === 'over') return nothing;
  if (command !== 'unknown') return new KnownRemains(command, dead.runId);
  return UnknownRemains.canLook ? new UnknownRemains(dead) : undefined;
}
