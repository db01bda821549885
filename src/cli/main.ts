#!/usr/bin/env node
import process from 'node:process';

/*
 * Checked before anything else is loaded, so that an old Node says this and not that some import does not exist.
 */
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`holdfast: Node ${process.versions.node} is too old: install Node 20.19 or newer\n`);
  process.exit(69);
}
const { main } = await import('./program.js');
// Left at once: a release that is still being tried in the background must not hold up whoever waits for the status.
process.exit(await main(process.argv.slice(2)));
