/**
 * A lock between processes of one machine made of nothing but folders, for use before anything is installed.
 *
 * The lock is a folder that names its owner. It appears whole, by a rename, which fails while another is in its place.
 * One whose owner is dead is removed by exactly one process: the one that could make the marker for that very owner.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';

/** An install on a slow machine takes minutes, not a quarter of an hour. */
const patienceMs = 15 * 60_000;
const pollMs = 250;

/** Waits for the lock, runs `work`, gives the lock back. */
export function withSetupLock(lock, work) {
  const me = { pid: process.pid, host: os.hostname(), startedAt: startOf(process.pid), nonce: randomBytes(8).toString('hex') };
  const mine = `${lock}-${me.nonce}`;
  mkdirSync(mine);
  writeFileSync(path.join(mine, 'owner.json'), JSON.stringify(me));
  try {
    take(lock, mine);
  } finally {
    rmSync(mine, { recursive: true, force: true });
  }
  try {
    return work();
  } finally {
    remove(lock, mine);
  }
}

function take(lock, mine) {
  const until = Date.now() + patienceMs;
  while (!moved(mine, lock)) {
    const owner = ownerOf(lock);
    if (owner !== undefined && isDead(owner)) removeDead(lock, owner);
    else pause();
    if (Date.now() > until) throw new Error(`another set-up does not end: if none is running, remove ${lock}`);
  }
}

function moved(from, to) {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST', 'EPERM'].includes(error.code)) return false;
    throw error;
  }
}

/** undefined: it was given back a moment ago. */
function ownerOf(lock) {
  try {
    return JSON.parse(readFileSync(path.join(lock, 'owner.json'), 'utf8'));
  } catch {
    return undefined;
  }
}

function isDead(owner) {
  if (owner.host !== os.hostname()) return false;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    return error.code === 'ESRCH';
  }
  return startOf(owner.pid) !== owner.startedAt;
}

/** Tells a process from a later one with the same number. Empty where there is no /proc. */
function startOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return '';
  }
}

function removeDead(lock, owner) {
  const marker = `${lock}-dead-${owner.nonce}`;
  try {
    mkdirSync(marker);
  } catch {
    // Another process removes it.
    return pause();
  }
  // Between our look at it and the marker somebody may have removed it and another taken the lock.
  if (ownerOf(lock)?.nonce === owner.nonce) remove(lock, `${marker}-gone`);
  rmSync(marker, { recursive: true, force: true });
}

/** Moved aside first: emptied in its place, it would let another in before it is gone, and take that one with it. */
function remove(lock, aside) {
  renameSync(lock, aside);
  rmSync(aside, { recursive: true, force: true });
}

function pause() {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pollMs * (0.5 + Math.random()));
}
