import { readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Holdfast } from '../../src/core/holdfast.js';
import { faketimeLibrary } from '../support/faketime.js';
import { Processes, works } from '../support/processes.js';
import { ask, Folder, grantOf, recordsOf } from './support/folder.js';
import { standStill } from '../support/stand-still.js';
import { awakeMs } from '../support/waits.js';

const folder = new Folder();
const processes = new Processes(['core', 'backends/sqlite'], new URL('support/worker.mjs', import.meta.url));

/** How long it takes until somebody who waits has the lock. */
async function takeover(locks: Holdfast, end: () => void): Promise<number> {
  const turn = locks.acquire('job');
  await sleep(300);
  end();
  const endedMs = awakeMs();
  const lease = await turn;
  const tookMs = awakeMs() - endedMs;
  await lease.release();
  return tookMs;
}

describe('several processes', { timeout: 60_000 }, () => {
  it('a holder that was killed is replaced within a second, whatever its TTL', async () => {
    const worker = processes.start(['hold', folder.db, 'job']);
    expect(await worker.next()).toMatchObject({ outcome: 'granted' });
    const locks = new Holdfast(folder.open());
    expect(await takeover(locks, () => worker.child.kill('SIGKILL'))).toBeLessThan(1_000);
    await locks.close();
  });

  it('a holder that is a zombie is dead', async () => {
    const script = '"$@" & exec sleep 60';
    const worker = processes.start(['hold', folder.db, 'job'], ['sh', '-c', script, 'sh']);
    const { pid } = await worker.next();
    const locks = new Holdfast(folder.open());
    expect(await takeover(locks, () => process.kill(Number(pid), 'SIGKILL'))).toBeLessThan(1_000);
    expect(readFileSync(`/proc/${pid}/stat`, 'utf8')).toContain(') Z ');
    await locks.close();
  });

  it('a holder that is stopped keeps its lock until its TTL is over', async () => {
    const worker = processes.start(['hold', folder.db, 'job', '3000']);
    await worker.next();
    standStill(worker.child.pid);
    const backend = folder.open();
    expect(await backend.acquire(ask('job'))).toMatchObject({ outcome: 'refused', because: 'held' });
    const [record] = await recordsOf(backend);
    expect(record?.alive).toBe(true);
    await sleep((record?.expiresInMs ?? 0) + 50);
    expect(await backend.acquire(ask('job'))).toMatchObject({ outcome: 'granted' });
  });

  it('a waiter that was killed keeps nobody waiting', async () => {
    const backend = folder.open();
    const held = ask('job');
    grantOf(await backend.acquire(held));
    const worker = processes.start(['queue', folder.db, 'job']);
    expect(await worker.next()).toMatchObject({ outcome: 'refused' });
    worker.child.kill('SIGKILL');
    await worker.exited;
    await backend.release(held);
    expect(await backend.acquire(ask('job'))).toMatchObject({ outcome: 'granted' });
  });

  it('no turn is lost between processes, and fences only grow', async () => {
    const [counter, log, turns, workers] = [folder.file('counter'), folder.file('log'), 40, 4];
    writeFileSync(counter, '0');
    const crowd = Array.from({ length: workers }, () =>
      processes.start(['count', folder.db, 'job', counter, log, String(turns)]),
    );
    expect(await Promise.all(crowd.map((worker) => worker.next()))).toEqual(crowd.map(() => ({ done: true })));
    expect(readFileSync(counter, 'utf8')).toBe(String(turns * workers));
    const fences = readFileSync(log, 'utf8').trim().split('\n').map(BigInt);
    expect(fences.every((fence, i) => i === 0 || fence > (fences[i - 1] ?? 0n))).toBe(true);
  });

  it.skipIf(!works('unshare', '--pid', '--fork', '--mount-proc', 'true'))(
    'a process of another pid namespace (skipped where unshare cannot make one) is judged by its TTL only',
    async () => {
      const worker = processes.start(
        ['hold', folder.db, 'job', '4000'],
        ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'],
      );
      expect(await worker.next()).toMatchObject({ outcome: 'granted' });
      const backend = folder.open();
      const [record] = await recordsOf(backend);
      expect(record).not.toHaveProperty('alive');
      worker.child.kill('SIGKILL');
      await worker.exited;
      expect(await backend.acquire(ask('job'))).toMatchObject({ outcome: 'refused', because: 'held' });
      await sleep((record?.expiresInMs ?? 0) + 50);
      expect(await backend.acquire(ask('job'))).toMatchObject({ outcome: 'granted' });
    },
  );

  it.skipIf(!works('unshare', '--time', '--boottime', '1000', 'true')).each(['100000', '-100'])(
    'a process whose uptime is shifted by %s s (skipped where unshare cannot do that) shares the clock',
    async (seconds) => {
      const worker = processes.start(['hold', folder.db, 'job', '20000'], ['unshare', '--time', '--boottime', seconds]);
      expect(await worker.next()).toMatchObject({ outcome: 'granted' });
      const backend = folder.open();
      const [record] = await recordsOf(backend);
      expect(record?.alive).toBe(true);
      expect(record?.expiresInMs).toBeGreaterThan(500);
      expect(record?.sinceMs).toBeLessThan(20_000);
      expect(await backend.acquire(ask('job'))).toMatchObject({ outcome: 'refused' });
    },
  );

  it.skipIf(faketimeLibrary === undefined).each(['+3d', '-3d'])(
    'a process whose wall clock is off by %s (skipped without faketime) neither takes what is held nor repeats a fence',
    async (offset) => {
      const env = { LD_PRELOAD: faketimeLibrary ?? '', FAKETIME: offset };
      const backend = folder.open();
      const held = ask('job');
      const first = grantOf(await backend.acquire(held)).fences.last;
      const early = processes.start(['hold', folder.db, 'job'], [], { env });
      expect(await early.next()).toMatchObject({ outcome: 'refused', because: 'held' });
      await backend.release(held);
      const later = processes.start(['hold', folder.db, 'job'], [], { env });
      const granted = (await later.next()) as { fences: { first: string; last: string } };
      expect(BigInt(granted.fences.first)).toBeGreaterThan(first);
      expect(await backend.acquire(ask('job'))).toMatchObject({ outcome: 'refused', because: 'held' });
      later.say('release');
      expect(await later.next()).toEqual({ released: 'released' });
      expect(grantOf(await backend.acquire(ask('job'))).fences.first).toBeGreaterThan(BigInt(granted.fences.last));
    },
  );
});
