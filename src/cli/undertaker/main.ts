import { readFileSync } from 'node:fs';
import process from 'node:process';
import { bury } from './bury.js';
import { readCommand } from './command-process.js';
import { KnownRemains } from './known-remains.js';
import { UnknownRemains } from './unknown-remains.js';
import { readWill } from './will.js';

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
  const command = readCommand(process.argv.slice(2));
  // Whatever went wrong, the TTL decides.
  if (command === 'over') await bury(will).catch(() => undefined);
  else if (command !== 'unknown') await bury(will, new KnownRemains(command, will.runId)).catch(() => undefined);
  else if (UnknownRemains.canLook) await bury(will, new UnknownRemains(will)).catch(() => undefined);
}
process.exit();
