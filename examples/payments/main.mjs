// A payment service that is mistreated, and its audit: npm run example:payments -- --requests 2000 --guards on|off
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readArgs } from './args.mjs';
import { isClean } from './audit.mjs';
import { Cleanup } from './cleanup.mjs';
import { report } from './report.mjs';
import { run } from './run.mjs';

const options = readArgs(process.argv.slice(2));
const folder = mkdtempSync(join(tmpdir(), 'holdfast-payments-'));
const cleanup = new Cleanup();
cleanup.defer(() => {
  if (options.keep) console.log(`everything is in ${folder}`);
  else rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
});
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
]) {
  process.once(signal, () => void cleanup.run().finally(() => process.exit(code)));
}

// Whatever it is, nothing is left behind.
process.once('uncaughtException', (error) => {
  console.error(error);
  void cleanup.run().finally(() => process.exit(1));
});

const startMs = performance.now();
const say = (line) => {
  if (!options.json) console.log(`${((performance.now() - startMs) / 1_000).toFixed(1).padStart(6)} s  ${line}`);
};

try {
  const { examples, ...found } = await run(options, folder, say, cleanup);
  report({ ...found, examples }, options);
  process.exitCode = options.guards && !isClean(found) ? 1 : 0;
  await cleanup.run();
  if (options.json) console.log(JSON.stringify({ requests: options.requests, guards: options.guards, ...found }));
} catch (error) {
  console.error(error);
  process.exitCode = 1;
  await cleanup.run();
}
// Sockets of clients may still be open.
process.exit();
