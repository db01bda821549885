import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { openDatabase } from './driver.mjs';

/**
 * The floor: the least that a correct lock table needs. One upsert to take, one conditional delete to give back, each a
 * transaction of its own (measured: an explicit BEGIN IMMEDIATE around one statement only adds two calls). No fence, no
 * metadata, no queue, no loss signal; who finds the name taken asks again after `retryMs`.
 */
export function open({ folder, ttlMs, retryMs }) {
  const db = openDatabase(join(folder, 'raw.db'));
  db.exec(`CREATE TABLE IF NOT EXISTS lock (
    name TEXT PRIMARY KEY, owner TEXT NOT NULL, expires_ms INTEGER NOT NULL
  ) WITHOUT ROWID`);
  const take = db.prepare(`INSERT INTO lock (name, owner, expires_ms) VALUES (?, ?, ?)
    ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, expires_ms = excluded.expires_ms WHERE expires_ms <= ?`);
  const renew = db.prepare('UPDATE lock SET expires_ms = ? WHERE name = ? AND owner = ? AND expires_ms > ?');
  const giveBack = db.prepare('DELETE FROM lock WHERE name = ? AND owner = ?');
  let renewCalls = 0;

  async function acquire(name) {
    const owner = randomBytes(16).toString('base64url');
    for (;;) {
      const now = Date.now();
      if (Number(take.run(name, owner, now + ttlMs, now).changes) === 1) return owner;
      await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
  }

  function renewAll(owners) {
    const now = Date.now();
    renewCalls++;
    db.exec('BEGIN IMMEDIATE');
    for (const [name, owner] of owners) renew.run(now + ttlMs, name, owner, now);
    db.exec('COMMIT');
  }

  return {
    async pair(name, work) {
      const owner = await acquire(name);
      try {
        await work();
      } finally {
        giveBack.run(name, owner);
      }
    },
    async hold(names) {
      const owners = new Map();
      for (const name of names) owners.set(name, await acquire(name));
      const timer = setInterval(renewAll, ttlMs / 3, owners);
      return () => {
        clearInterval(timer);
        for (const [name, owner] of owners) giveBack.run(name, owner);
      };
    },
    renewCalls: () => renewCalls,
    close: () => db.close(),
  };
}
