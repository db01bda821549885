import { setTimeout as pause } from 'node:timers/promises';

export async function inTransaction(pool, work) {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await work(client);
    await client.query('COMMIT');
  } finally {
    client.release();
  }
}

/** Asks until the answer is no. */
export async function emptied(pool, question) {
  while ((await pool.query(question)).rows[0].r) await pause(2);
}
