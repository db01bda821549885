import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { BackendCorruptError, BackendUnavailableError, ClosedError, NotSupportedError } from '../../src/core/errors.js';
import { Processes } from '../support/processes.js';
import { SmallDisk, smallDiskIsMissing } from '../support/small-disk.js';
import { ask, errorOf, Folder, grantOf, recordsOf } from './support/folder.js';

const folder = new Folder();
const processes = new Processes(['core', 'backends/sqlite'], new URL('support/worker.mjs', import.meta.url));
const isRoot = process.getuid?.() === 0;
const nobody = 65_534;

/** The error of an ask for `job`, which must name the file. */
async function refusalOf(file = folder.db, busyMs = 4_000): Promise<unknown> {
  const error = await errorOf(folder.open({ path: file, busyMs }).acquire(ask('job')));
  expect(String(error)).toContain(file);
  return error;
}

describe('a store that is no good', { timeout: 60_000 }, () => {
  const disks: SmallDisk[] = [];
  afterEach(() => {
    for (const disk of disks.splice(0)) disk.unmount();
  });

  it('the file and its folder are made for their owner only', async () => {
    const file = folder.file('deep/er/locks.db');
    grantOf(await folder.open({ path: file }).acquire(ask('job')));
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(path.dirname(file)).mode & 0o777).toBe(0o700);
    expect(statSync(`${file}-wal`).mode & 0o777).toBe(0o600);
  });

  it.skipIf(process.platform !== 'linux')('a folder that can never be made', async () => {
    // Where Node's own recursive mkdir would never come back.
    expect(await refusalOf('/proc/nope/deep/locks.db')).toBeInstanceOf(BackendUnavailableError);
  });

  it('a file that is no database', async () => {
    writeFileSync(folder.db, 'grocery list\n'.repeat(1_000));
    const error = await refusalOf();
    expect(error).toBeInstanceOf(BackendCorruptError);
    expect(String(error)).toMatch(/move it/);
    expect(readFileSync(folder.db, 'utf8')).toContain('grocery');
  });

  it('a database whose pages were overwritten', async () => {
    const backend = folder.open();
    grantOf(await backend.acquire(ask('job')));
    folder.shell().prepare('PRAGMA wal_checkpoint(TRUNCATE)').all();
    await backend.close();
    writeFileSync(folder.db, readFileSync(folder.db).fill(0x5a, 200));
    expect(await refusalOf()).toBeInstanceOf(BackendCorruptError);
  });

  it('a database of another program, untouched', async () => {
    folder.shell().exec('CREATE TABLE customers (name TEXT)');
    expect(await refusalOf()).toBeInstanceOf(NotSupportedError);
    expect(folder.shell().prepare('SELECT count(*) AS n FROM sqlite_schema').get()).toMatchObject({ n: 1 });
  });

  it('a database of a newer version', async () => {
    await folder.open().acquire(ask('job'));
    folder.shell().exec('PRAGMA user_version = 99');
    const error = await refusalOf();
    expect(error).toBeInstanceOf(NotSupportedError);
    expect(String(error)).toMatch(/upgrade/);
  });

  it('a path that is a directory, and one below a file', async () => {
    mkdirSync(folder.db);
    expect(await refusalOf()).toMatchObject({ code: 'BACKEND_UNAVAILABLE', permanent: true });
    writeFileSync(folder.file('file'), '');
    expect(await refusalOf(folder.file('file/locks.db'))).toMatchObject({ code: 'BACKEND_UNAVAILABLE', permanent: true });
  });

  it.skipIf(!isRoot)(
    'a file and a folder that may not be written (skipped unless root, who can become somebody else)',
    async () => {
      const backend = folder.open();
      grantOf(await backend.acquire(ask('job')));
      await backend.close();
      chmodSync(folder.path, 0o555);
      chmodSync(folder.db, 0o444);
      for (const file of [folder.db, folder.file('new.db'), folder.file('new/locks.db')]) {
        const answer = await processes.start(['hold', file, 'other'], [], { uid: nobody }).next();
        expect(answer).toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
        expect(answer['message']).toContain(path.dirname(file));
      }
      chmodSync(folder.path, 0o777);
      const answer = await processes.start(['hold', folder.db, 'other'], [], { uid: nobody }).next();
      expect(answer).toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
      expect(answer['message']).toMatch(/may write|write access/);
    },
  );

  it.skipIf(smallDiskIsMissing)('a full disk loses nothing (skipped unless root, who can mount a small one)', async () => {
    const disk = new SmallDisk(folder.file('disk'), 512);
    disks.push(disk);
    const backend = folder.open({ path: path.join(disk.folder, 'locks.db') });
    const held = ask('held');
    grantOf(await backend.acquire(held));
    disk.fill();
    const metadata = { ballast: 'x'.repeat(1_000) };
    let error: unknown;
    for (let i = 0; i < 500 && error === undefined; i++) error = await errorOf(backend.acquire(ask(`job-${i}`, { metadata })));
    expect(error).toBeInstanceOf(BackendUnavailableError);
    expect(String(error)).toMatch(/no space is left for .*locks\.db/);
    disk.empty();
    expect(await backend.renew([held])).toMatchObject([{ outcome: 'renewed' }]);
    expect(await backend.release(held)).toBe('released');
    await backend.close();
  });

  it('a file that somebody locks for long: an error after a bound, and the event loop goes on meanwhile', async () => {
    const backend = folder.open({ busyMs: 3_000 });
    grantOf(await backend.acquire(ask('other')));
    const shell = folder.shell();
    shell.exec('BEGIN EXCLUSIVE');
    let [ticks, longestMs, lastMs] = [0, 0, performance.now()];
    const timer = setInterval(() => {
      ticks += 1;
      longestMs = Math.max(longestMs, performance.now() - lastMs);
      lastMs = performance.now();
    }, 5);
    const startMs = performance.now();
    const error = await errorOf(backend.acquire(ask('job')));
    clearInterval(timer);
    expect(error).toBeInstanceOf(BackendUnavailableError);
    expect(error).toMatchObject({ permanent: false });
    expect(String(error)).toMatch(/locks\.db is locked by another process/);
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(3_000);
    expect(ticks).toBeGreaterThan(5);
    // Whoever waits inside the database stands still for all of that time; a busy machine for a part of it.
    expect(longestMs).toBeLessThan(1_500);
    shell.exec('COMMIT');
    grantOf(await backend.acquire(ask('job')));
  });

  it('a file that is locked for a moment is waited for', async () => {
    const backend = folder.open();
    grantOf(await backend.acquire(ask('other')));
    const shell = folder.shell();
    shell.exec('BEGIN IMMEDIATE');
    const answer = backend.acquire(ask('job'));
    await sleep(100);
    shell.exec('COMMIT');
    grantOf(await answer);
  });

  it('a damaged record is named, and fails nobody else in the same tick', async () => {
    const backend = folder.open();
    grantOf(await backend.acquire(ask("it's")));
    const shell = folder.shell();
    for (const damage of [
      "node = 'none'",
      "node = '[1]'",
      'renewals = NULL',
      'until = written - 1',
      'until = written + 1000000000',
      "owner = ''",
    ]) {
      shell.exec("UPDATE locks SET owner = coalesce(nullif(owner, ''), 'x')");
      shell.exec(`UPDATE locks SET ${damage}`);
      const [bad, good] = await Promise.allSettled([backend.acquire(ask("it's")), backend.acquire(ask(`job ${damage}`))]);
      expect(bad, damage).toMatchObject({ status: 'rejected', reason: { code: 'BACKEND_CORRUPT', lock: "it's" } });
      expect(String(bad.status === 'rejected' && bad.reason)).toContain(`locks["it's"]`);
      expect(good).toMatchObject({ status: 'fulfilled', value: { outcome: 'granted' } });
      shell.exec("DELETE FROM locks WHERE name = 'it''s'");
      grantOf(await backend.acquire(ask("it's")));
      shell.exec("DELETE FROM locks WHERE name <> 'it''s'");
    }
  });

  it('a damaged record takes no healthy hold of the same renewal with it', async () => {
    const backend = folder.open();
    const [sick, well] = [ask('sick'), ask('well')];
    for (const each of [sick, well]) grantOf(await backend.acquire(each));
    folder.shell().exec("UPDATE locks SET owner = 'x', renewals = NULL WHERE name = 'sick'");
    const answers = await backend.renew([sick, well]);
    expect(answers).toMatchObject([{ outcome: 'unknown', cause: { code: 'BACKEND_CORRUPT' } }, { outcome: 'renewed' }]);
  });

  it('a file that was deleted: the hold is gone, and the next ask makes a new one with a higher fence', async () => {
    const backend = folder.open();
    const held = ask('job');
    const { fences } = grantOf(await backend.acquire(held));
    for (const suffix of ['', '-wal', '-shm']) rmSync(folder.db + suffix);
    await sleep(150);
    expect(await backend.renew([held])).toEqual([{ outcome: 'gone' }]);
    expect(grantOf(await backend.acquire(ask('job'))).fences.first).toBeGreaterThan(fences.last);
  });

  it('a file that was moved away and replaced', async () => {
    const backend = folder.open();
    const held = ask('job');
    grantOf(await backend.acquire(held));
    await folder.open({ path: folder.file('new.db') }).acquire(ask('other'));
    for (const suffix of ['', '-wal', '-shm']) renameSync(folder.db + suffix, `${folder.db}.old${suffix}`);
    for (const suffix of ['', '-wal', '-shm']) renameSync(folder.file('new.db') + suffix, folder.db + suffix);
    await sleep(150);
    expect(await backend.release(held)).toBe('absent');
    expect((await recordsOf(backend)).map((record) => record.name)).toEqual(['other']);
  });

  it('a closed backend says so', async () => {
    const backend = folder.open();
    await backend.close();
    await backend.close();
    expect(await errorOf(backend.acquire(ask('job')))).toBeInstanceOf(ClosedError);
  });
});
