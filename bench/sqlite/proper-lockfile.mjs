import fs from 'node:fs';
import { join } from 'node:path';
import lockfile from 'proper-lockfile';

/**
 * proper-lockfile: `mkdir` takes, `rmdir` gives back, a fresh mtime keeps.
 *
 * Its best settings: no `realpath` (saves a call, and the file need not exist); a waiter asks again for ever, in the
 * rhythm that gave the most pairs per second on the contended work (`--tune` compares several).
 */
export function open({ folder, ttlMs, retries: rhythm }) {
  let renewCalls = 0;
  const counted = {
    ...fs,
    utimes(...args) {
      renewCalls++;
      fs.utimes(...args);
    },
  };
  const retries = { forever: true, retries: 5, ...rhythm };
  const options = { realpath: false, stale: ttlMs, update: ttlMs / 3, retries, fs: counted };
  const take = (name) => lockfile.lock(join(folder, encodeURIComponent(name)), options);
  return {
    async pair(name, work) {
      const release = await take(name);
      try {
        await work();
      } finally {
        await release();
      }
    },
    async hold(names) {
      const releases = await Promise.all(names.map(take));
      return () => Promise.all(releases.map((release) => release()));
    },
    renewCalls: () => renewCalls,
    close: () => {},
  };
}
