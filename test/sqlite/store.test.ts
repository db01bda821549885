import { chmodSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { sqliteRecords } from '../../src/backends/sqlite/index.js';
import { sweepEvery } from '../../src/backends/sqlite/sweep.js';
import { parseName } from '../../src/core/name.js';
import { ask, errorOf, Folder, grantOf, recordsOf } from './support/folder.js';

const folder = new Folder();

describe('fences', () => {
  it('are exact beyond 2^53, and end at 2^63 with an error that names the row', async () => {
    const backend = folder.open();
    const held = ask('job');
    grantOf(await backend.acquire(held));
    await backend.release(held);
    const shell = folder.shell();
    for (const mode of ['exclusive', 'shared'] as const) {
      shell.exec('UPDATE locks SET fence = 9223372036854775000');
      const next = ask('job', { mode, fences: 3 });
      expect(grantOf(await backend.acquire(next)).fences).toEqual({ first: 9223372036854775001n, last: 9223372036854775003n });
      expect((await recordsOf(backend))[0]?.fence).toBe(9223372036854775003n);
      await backend.release(next);
      shell.exec('UPDATE locks SET fence = 9223372036854775807');
      expect(await errorOf(backend.acquire(ask('job', { mode })))).toMatchObject({ code: 'BACKEND_CORRUPT', lock: 'job' });
    }
  });

  it('do not go back when a row that lay idle was swept', async () => {
    const backend = folder.open();
    const held = ask('job');
    grantOf(await backend.acquire(held));
    await backend.release(held);
    const shell = folder.shell();
    shell.exec("UPDATE locks SET fence = 8000000000000000000, boot = 'an earlier one'");
    for (let i = 0; i <= sweepEvery; i++) await backend.release(ask('none'));
    await expect.poll(() => shell.prepare('SELECT count(*) AS n FROM locks').get()).toMatchObject({ n: 0 });
    expect(grantOf(await backend.acquire(ask('job'))).fences.first).toBe(8000000000000000001n);
    expect(grantOf(await backend.acquire(ask('another', { mode: 'shared' }))).fences.first).toBe(8000000000000000001n);
  });

  it('what is in use or was used within the hour is not swept', async () => {
    const backend = folder.open();
    const [held, free] = [ask('held'), ask('free')];
    grantOf(await backend.acquire(held));
    grantOf(await backend.acquire(free));
    await backend.release(free);
    for (let i = 0; i <= sweepEvery; i++) await backend.release(ask('none'));
    expect(folder.shell().prepare('SELECT count(*) AS n FROM locks').get()).toMatchObject({ n: 2 });
    expect(await backend.release(held)).toBe('released');
  });
});

describe('time', () => {
  it('what was held before a reboot is free', async () => {
    const backend = folder.open();
    for (const mode of ['exclusive', 'shared'] as const) {
      const held = ask(mode, { mode });
      grantOf(await backend.acquire(held));
      folder.shell().exec("UPDATE locks SET boot = 'before'; UPDATE shares SET boot = 'before'");
      expect(await recordsOf(backend, mode)).toEqual([]);
      expect(await backend.renew([held])).toEqual([{ outcome: 'gone' }]);
      grantOf(await backend.acquire(ask(mode)));
    }
  });

  it('a record of this boot from the future is no matter for guesses', async () => {
    const backend = folder.open();
    grantOf(await backend.acquire(ask('job')));
    folder.shell().exec('UPDATE locks SET written = written + 86400000, until = until + 86400000');
    const error = await errorOf(backend.acquire(ask('job')));
    expect(error).toMatchObject({ code: 'NOT_SUPPORTED', lock: 'job' });
    expect(String(error)).toMatch(/uptime/);
    folder.shell().exec('UPDATE locks SET owner = NULL');
    expect(await errorOf(backend.acquire(ask('job')))).toMatchObject({ code: 'NOT_SUPPORTED' });
  });

  it('a lock is kept for all of its TTL', async () => {
    const backend = folder.open();
    for (let i = 0; i < 5; i++) {
      const startMs = performance.now();
      grantOf(await backend.acquire(ask('job', { ttlMs: 100, node: { ...ask('job').node, bootId: 'elsewhere' } })));
      while ((await backend.acquire(ask('job', { ttlMs: 50 }))).outcome === 'refused') await sleep(1);
      expect(performance.now() - startMs).toBeGreaterThanOrEqual(100);
      await sleep(80);
    }
  });
});

describe('what is kept', () => {
  it('shows no secret', async () => {
    const backend = folder.open();
    const asks = [ask('a'), ask('a', { enqueue: true }), ask('b', { mode: 'shared', metadata: { who: 'me' } })];
    for (const each of asks) await backend.acquire(each);
    const shown = JSON.stringify(await recordsOf(backend), (_, part) => (typeof part === 'bigint' ? `${part}` : part));
    for (const { owner } of asks) expect(shown).not.toContain(owner);
    expect((await recordsOf(backend)).map(({ key, state }) => [key, state])).toEqual([
      ['locks.db: locks["a"]', 'held'],
      ['locks.db: places["a"]', 'waiting'],
      ['locks.db: shares["b"]', 'held'],
    ]);
  });

  it('leaves no row and no bell behind', async () => {
    const backend = folder.open();
    const [held, waiting] = [ask('a'), ask('a', { enqueue: true })];
    grantOf(await backend.acquire(held));
    const stop = backend.watch(held.name, () => {});
    backend.watch(parseName('b'), () => {});
    await backend.acquire(waiting);
    stop();
    await backend.abandon(waiting);
    await backend.release(held);
    await backend.close();
    const shell = folder.shell();
    for (const table of ['shares', 'places', 'watchers']) {
      expect(shell.prepare(`SELECT count(*) AS n FROM ${table}`).get(), table).toMatchObject({ n: 0 });
    }
    expect(shell.prepare('SELECT sum(others) AS n FROM locks').get()).toMatchObject({ n: 0 });
    expect(readdirSync(`${folder.db}-bells`)).toEqual([]);
  });

  it('many at once, in one tick', async () => {
    const backend = folder.open();
    const asks = Array.from({ length: 300 }, (_, i) => ask(`n${i}`));
    await Promise.all(asks.map((each) => backend.acquire(each).then(grantOf)));
    expect((await backend.renew(asks)).every((renewal) => renewal.outcome === 'renewed')).toBe(true);
    expect(new Set(await Promise.all(asks.map((each) => backend.release(each))))).toEqual(new Set(['released']));
  });
});

describe('probe', () => {
  it('finds nothing but remarks in a store as we make it, and what is wrong in one that was changed', async () => {
    const backend = folder.open();
    expect((await backend.probe()).filter((finding) => finding.severity !== 'info')).toEqual([]);
    await backend.close();
    chmodSync(folder.db, 0o666);
    const severities = (await folder.open().probe()).map((finding) => finding.severity);
    expect(severities).toContain('critical');
  });
});

describe('records', () => {
  it('are written once, compared by version, and end with their time', async () => {
    const records = sqliteRecords(folder.db);
    const created = await records.create('k', 'one', 60_000);
    expect(created).toMatchObject({ written: true, record: { key: 'k', value: 'one' } });
    expect(await records.create('k', 'two', undefined)).toMatchObject({ written: false, record: { value: 'one' } });
    const version = created.record?.version ?? '';
    expect(await records.compareAndSet('k', '1', 'two', undefined)).toMatchObject({ written: false, record: { version } });
    expect(await records.compareAndSet('none', '1', 'two', undefined)).toEqual({ written: false, record: undefined });
    const second = await records.compareAndSet('k', version, 'two', 100);
    expect(second).toMatchObject({ written: true, record: { value: 'two' } });
    await sleep(150);
    expect(await records.get('k')).toBeUndefined();
    const third = await records.create('k', 'three', undefined);
    expect(new Set([version, second.record?.version, third.record?.version]).size).toBe(3);
    expect(third.record?.expiresAtMs).toBeUndefined();
    expect(Math.abs((third.record?.storeTimeMs ?? 0) - Date.now())).toBeLessThan(5_000);
    await records.close();
  });
});
