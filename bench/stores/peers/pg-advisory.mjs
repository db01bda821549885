import pg from 'pg';

const takeText = 'SELECT pg_advisory_lock(hashtextextended($1, 0))';
const giveText = 'SELECT pg_advisory_unlock(hashtextextended($1, 0)) AS held';

/** Locks of the session, hence a connection for each caller that waits or works. */
export function openAdvisory({ port }) {
  const pool = new pg.Pool({ port, host: '127.0.0.1', user: 'bench', database: 'postgres', max: 64 });
  return {
    async pair(name, work) {
      const client = await pool.connect();
      try {
        await client.query({ name: 'take', text: takeText, values: [name] });
        try {
          await work();
        } finally {
          await client.query({ name: 'give', text: giveText, values: [name] });
        }
      } finally {
        client.release();
      }
    },
    async hold(names) {
      const client = await pool.connect();
      for (const name of names) await client.query({ name: 'take', text: takeText, values: [name] });
      return async () => {
        await client.query('SELECT pg_advisory_unlock_all()');
        client.release();
      };
    },
    close: () => pool.end(),
  };
}
