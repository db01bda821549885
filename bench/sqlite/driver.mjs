import { createRequire } from 'node:module';

/** The driver that Holdfast itself would choose here, and its pragmas: the floor must differ in nothing but the work. */
const [major, minor] = process.versions.node.split('.').map(Number);
const builtIn = major > 22 || (major === 22 && minor >= 13);

export const driverName = builtIn ? 'node:sqlite' : 'libsql';

export function openDatabase(file) {
  const require = createRequire(import.meta.url);
  const db = builtIn ? new (require('node:sqlite').DatabaseSync)(file) : new (require('libsql'))(file);
  for (const pragma of ['busy_timeout = 5000', 'journal_mode = WAL', 'synchronous = NORMAL']) {
    db.prepare(`PRAGMA ${pragma}`).all();
  }
  return db;
}
