import { postgres } from 'holdfast/postgres';
import pg from 'pg';
import { storeOf } from '../holdfast.mjs';
import { pollingStore } from '../polling.mjs';

const takeText = `INSERT INTO bench VALUES ($1, $2, clock_timestamp() + $3 * interval '1 ms')
  ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, expires = excluded.expires WHERE bench.expires <= clock_timestamp()`;
const giveText = 'DELETE FROM bench WHERE name = $1 AND owner = $2';
const renewText = `UPDATE bench SET expires = clock_timestamp() + $3 * interval '1 ms'
  FROM unnest($1::text[], $2::text[]) AS held (name, owner) WHERE bench.name = held.name AND bench.owner = held.owner`;

function poolOf(port, max) {
  const pool = new pg.Pool({ port, host: '127.0.0.1', user: 'bench', database: 'postgres', max });
  let calls = 0;
  pool.on('acquire', () => calls++);
  return { pool, renewCalls: () => calls };
}

/** The floor: what everybody writes first. No fence, no metadata, no queue, no signal of loss. */
export function openRaw({ port, ttlMs, retryMs }) {
  const { pool, renewCalls } = poolOf(port, 4);
  const statement = async (name, text, ...values) => (await pool.query({ name, text, values })).rowCount;
  const store = {
    take: async (name, owner) => (await statement('take', takeText, name, owner, ttlMs)) === 1,
    give: (name, owner) => statement('give', giveText, name, owner),
    renewAll: (owners) => statement('renew', renewText, [...owners.keys()], [...owners.values()], ttlMs),
    close: () => pool.end(),
    renewCalls,
  };
  return pollingStore(store, { ttlMs, retryMs });
}

export function openHoldfast({ port, ttlMs }) {
  const { pool, renewCalls } = poolOf(port, 4);
  return storeOf(postgres(pool), ttlMs, { disconnect: () => pool.end(), renewCalls });
}
