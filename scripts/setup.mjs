/**
 * Makes a checkout ready to run: installs with `npm ci` and compiles, each only if something changed since. Silent when
 * all is well. Any number may be started at once, also on a fresh clone: one works, the others wait for it.
 *
 * `./holdfast` and `npm test` call it. Plain Node, no dependencies: it runs before there are any.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { withSetupLock } from './setup-lock.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const folder = path.join(root, '.holdfast-setup');
/** Its time is that of the start of the last set-up that succeeded: what is newer than it has not been seen yet. */
const ready = path.join(folder, 'ready');
/** Digest of the package-lock.json of the last install. */
const installed = path.join(folder, 'installed');
const lockfile = path.join(root, 'package-lock.json');
const npmsOwn = path.join(root, 'node_modules', '.package-lock.json');
const program = path.join(root, 'dist', 'cli', 'main.js');
/** The kernel's file times lag behind Date.now() by up to one tick. */
const tickMs = 20;

class SetupError extends Error {}

function main() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new SetupError(`Node ${process.versions.node} is too old: install Node 20.19 or newer`);
  }
  if (isReady()) return;
  mkdirSync(folder, { recursive: true });
  withSetupLock(path.join(folder, 'lock'), setUp);
}

function setUp() {
  // Whoever had the lock before us has probably done it.
  if (isReady()) return;
  const startedAt = (Date.now() - tickMs) / 1_000;
  if (!isInstalled()) install();
  if (!existsSync(ready) || !existsSync(program) || changedSince(statSync(ready).mtimeMs)) build();
  writeFileSync(ready, '');
  utimesSync(ready, startedAt, startedAt);
}

function isReady() {
  return existsSync(ready) && existsSync(program) && existsSync(npmsOwn) && !changedSince(statSync(ready).mtimeMs);
}

function changedSince(timeMs) {
  const files = ['package-lock.json', 'package.json', 'tsconfig.json', 'scripts/build.mjs'].map((file) => path.join(root, file));
  return files.some((file) => newer(file, timeMs)) || newerInside(path.join(root, 'src'), timeMs);
}

function newer(file, timeMs) {
  return (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0) > timeMs;
}

/** Folders count too: theirs is the time of the last file added or deleted. */
function newerInside(directory, timeMs) {
  if (newer(directory, timeMs)) return true;
  return readdirSync(directory, { withFileTypes: true }).some((entry) => {
    const file = path.join(directory, entry.name);
    return entry.isDirectory() ? newerInside(file, timeMs) : newer(file, timeMs);
  });
}

/** By content: `git checkout` and `npm install` touch the file without changing what is to be installed. */
function isInstalled() {
  if (!existsSync(npmsOwn)) return false;
  if (existsSync(installed) && readFileSync(installed, 'utf8') === digest()) return true;
  if (!matchesLockfile()) return false;
  writeFileSync(installed, digest());
  return true;
}

function digest() {
  return createHash('sha256').update(readFileSync(lockfile)).digest('hex');
}

/** Whether what npm last installed here, by its own record, is what the lockfile asks for. */
function matchesLockfile() {
  const { packages: want } = JSON.parse(readFileSync(lockfile, 'utf8'));
  const { packages: have } = JSON.parse(readFileSync(npmsOwn, 'utf8'));
  return Object.entries(want).every(([where, { version, integrity, optional, devOptional, peer }]) => {
    const found = have[where];
    // Optional ones for other platforms are never there.
    if (found === undefined) return where === '' || optional === true || devOptional === true || peer === true;
    return found.version === version && found.integrity === integrity;
  });
}

function install() {
  rmSync(installed, { force: true });
  if (process.stderr.isTTY) process.stderr.write('holdfast: first use: installing dependencies…\n');
  const result = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], quiet);
  if (result.error !== undefined) throw new SetupError(`npm cannot be started (${result.error.message}): install Node with npm`);
  finish(result, 'npm ci failed: is the registry within reach?');
  writeFileSync(installed, digest());
}

function build() {
  finish(spawnSync(process.execPath, [path.join(root, 'scripts', 'build.mjs')], quiet), 'the build failed');
}

/** Standard input and output belong to the command that is to run. */
const quiet = { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 64 * 1024 * 1024 };

function finish(result, sentence) {
  if (result.status === 0) return;
  process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`);
  throw new SetupError(sentence);
}

try {
  main();
} catch (error) {
  console.error(error instanceof SetupError ? `holdfast: ${error.message}` : error);
  process.exitCode = 69;
}
