import { createRequire } from 'node:module';

/** The driver that Holdfast itself would choose here, and its pragmas: the floor must differ in nothing but the work. */
const [major, minor] = process.versions.node.split('.').map(Number);
const builtIn = major > 22 || (major === 22 && minor >= 13);

export const driverName = builtIn ? 'node:sqlite' : 'libsql';

export function openDatabase(file) {
  const require = createRequire(import.meta.url);
  const db = builtIn ? new (require('node:sqlite').DatabaseSync)(file) : new (require('libsql'))(file);
  const pragma = (text) => db.prepare(`PRAGMA ${text}`).all();
  pragma('busy_timeout = 5000');
  untilFree(() => pragma('journal_mode = WAL'));
  pragma('synchronous = NORMAL');
  return db;
}

/** Where several processes make the same file a WAL database at once, SQLite tells some of them that it is locked, whatever their busy timeout. */
function untilFree(work) {
  for (const endMs = performance.now() + 5_000; ; Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)) {
    try {
      return work();
    } catch (error) {
      if (!/locked|busy/i.test(error.message) || performance.now() > endMs) throw error;
    }
  }
}
