// Four workers count to twenty together, one at a time. Run it: node examples/any-store.mjs
//
// The same program runs on any store: the import below is the only line that knows which. Give the store's URL as the
// argument (without one: a file of this user on this machine), e.g. node examples/any-store.mjs redis://localhost:6379
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Holdfast } from 'holdfast';
import { sqliteFromUrl as open } from 'holdfast/sqlite'; // or redisFromUrl from 'holdfast/redis', postgresFromUrl from 'holdfast/postgres', …

const url = process.argv[2] ?? 'sqlite:';
const folder = mkdtempSync(join(tmpdir(), 'holdfast-example-'));
const counter = join(folder, 'counter');
writeFileSync(counter, '0');

/** Reads, thinks, and writes: without a lock, most of it would be lost. */
async function count(lease) {
  const before = Number(readFileSync(counter, 'utf8'));
  await sleep(5);
  writeFileSync(counter, String(before + 1));
  return lease.fence;
}

/** A client of its own, as another process would have. */
async function worker() {
  const locks = new Holdfast(await open(url));
  const fences = [];
  for (let turn = 0; turn < 5; turn++) fences.push(await locks.request('example:counter', count));
  await locks.close();
  return fences;
}

const all = (await Promise.all([worker(), worker(), worker(), worker()])).flat();
const counted = readFileSync(counter, 'utf8');
rmSync(folder, { recursive: true });
console.log(`counted to ${counted}, with ${new Set(all).size} different fences`);
