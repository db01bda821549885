import { describe, expect, it } from 'vitest';
import { sqliteRecords } from '../../src/backends/sqlite/records.js';
import { prepareSchema } from '../../src/backends/sqlite/schema.js';
import { loadDriver } from '../../src/backends/sqlite/driver.js';
import { ask, Folder } from './support/folder.js';

const folder = new Folder();

/** What a process of version 1 sends: it knows of no age. */
const writeOfVersion1 = `
  INSERT INTO records (key, value, version, expires) VALUES (?, ?, (SELECT coalesce(max(version), 0) + 1 FROM records), NULL)
  ON CONFLICT (key) DO UPDATE SET value = excluded.value, version = excluded.version, expires = excluded.expires`;

/** A file as version 1 made it, with a lock and a record in it, and a process of that version that has it open. */
async function fileOfVersion1() {
  const backend = folder.open();
  const held = ask('order-1', { ttlMs: 60_000 });
  const grant = await backend.acquire(held);
  await backend.close();
  const old = folder.shell();
  old.exec('ALTER TABLE records DROP COLUMN boot; ALTER TABLE records DROP COLUMN written; PRAGMA user_version = 1');
  const write = old.prepare(writeOfVersion1);
  write.run('known', 'of version 1');
  return { grant, old, write: (key: string, value: string) => write.run(key, value) };
}

describe('a file of version 1', () => {
  it('keeps its locks and records, and new ones have an age', async () => {
    const { grant } = await fileOfVersion1();
    expect(grant).toMatchObject({ outcome: 'granted' });
    const records = sqliteRecords(folder.db);
    const known = await records.get('known');
    expect(known).toMatchObject({ value: 'of version 1', ageMs: undefined });
    const written = await records.compareAndSet('known', known?.version ?? '', 'of version 2', undefined);
    expect(written).toMatchObject({ written: true, record: { value: 'of version 2', ageMs: expect.any(Number) } });
    expect(await folder.open().acquire(ask('order-1'))).not.toMatchObject({ outcome: 'granted' });
    await records.close();
  });

  it('goes on for a process of version 1 that has it open, and what that writes is not taken for old', async () => {
    const { old, write } = await fileOfVersion1();
    const records = sqliteRecords(folder.db);
    const created = await records.create('shared', 'new', undefined);
    expect(created.record?.ageMs).toEqual(expect.any(Number));
    write('shared', 'old');
    const shared = await records.get('shared');
    expect(shared).toMatchObject({ value: 'old' });
    expect(shared?.version).not.toBe(created.record?.version);
    expect(shared?.ageMs).toBeUndefined();
    expect(await records.compareAndSet('shared', shared?.version ?? '', 'newer', undefined)).toMatchObject({
      record: { ageMs: expect.any(Number) },
    });
    expect(old.prepare("SELECT value FROM records WHERE key = 'shared'").get()).toMatchObject({ value: 'newer' });
    await records.close();
  });

  it('is changed once, by whoever comes first', async () => {
    await fileOfVersion1();
    const connections = [1, 2].map(() => loadDriver().open(folder.db));
    for (const connection of connections) prepareSchema(connection, folder.db);
    for (const connection of connections) connection.close();
    expect(folder.shell().prepare('PRAGMA user_version').get()).toMatchObject({ user_version: 2 });
  });
});
