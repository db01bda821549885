/**
 * Runs the tests on other versions of Node: `npm run test:nodes [-- 22 24] [test/core …]`. Each comes from the npm package `node`,
 * installed into a temporary folder: as a devDependency it would shadow the machine's own node.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const given = process.argv.slice(2);
const isVersion = (word) => /^\d[\d.]*$/.test(word);
const asked = given.filter(isVersion);
const versions = asked.length > 0 ? asked : ['22', '24'];
/** Which tests; vitest takes it from here. */
const filters = given.filter((word) => !isVersion(word));

function run(command, args, options) {
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'], ...options });
  if (error !== undefined) console.error(error.message);
  return status === 0;
}

/** The folder of the `node` that was installed there, or undefined. */
function installNode(version, folder) {
  writeFileSync(path.join(folder, 'package.json'), '{ "private": true }\n');
  const installed = run('npm', ['install', '--no-audit', '--no-fund', `node@${version}`], { cwd: folder });
  return installed ? path.join(folder, 'node_modules', 'node', 'bin') : undefined;
}

function testOn(version) {
  const folder = mkdtempSync(path.join(os.tmpdir(), `holdfast-node-${version}-`));
  // Some tests start it as somebody else.
  chmodSync(folder, 0o755);
  try {
    const bin = installNode(version, folder);
    if (bin === undefined) return false;
    const env = { ...process.env, PATH: `${bin}${path.delimiter}${process.env.PATH}` };
    run(path.join(bin, 'node'), ['--version'], { env });
    return run(path.join(bin, 'node'), ['node_modules/vitest/vitest.mjs', 'run', ...filters], { cwd: root, env });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

let failed = false;
for (const version of versions) {
  console.log(`\n== Node ${version} ==`);
  const ok = testOn(version);
  console.log(`== Node ${version}: ${ok ? 'passed' : 'FAILED'} ==`);
  failed ||= !ok;
}
process.exit(failed ? 1 : 0);
