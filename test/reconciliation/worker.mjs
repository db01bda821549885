// An original or a reconciler in a process of its own: `worker.mjs <role> <store of the records> <its URL> <URL of the sink> <more>`.
// Says what happens in lines of JSON; goes on where it waits for a word when that word comes on standard input.
import process from 'node:process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { Holdfast } from './src/core/holdfast.js';
import { lead } from './src/election/index.js';
import { postgresGuard } from './src/guards/postgres/index.js';
import { idempotent } from './src/idempotency/index.js';
import { reconciler } from './src/idempotency/reconcile/index.js';

const [role, store, url, sinkUrl, ...more] = process.argv.slice(2);
const say = (line) =>
  process.stdout.write(`${JSON.stringify(line, (_, value) => (typeof value === 'bigint' ? String(value) : value))}\n`);

const waiting = new Map();
const heard = new Map();
/** Waits for a word; words that came before count. */
function word(wanted) {
  if (heard.has(wanted)) return Promise.resolve(heard.get(wanted));
  return new Promise((resolve) => waiting.set(wanted, resolve));
}
createInterface(process.stdin).on('line', (line) => {
  const [name, rest = ''] = line.split(/ (.*)/s);
  heard.set(name, rest);
  waiting.get(name)?.(rest);
});

async function openRecords() {
  if (store === 'sqlite') return (await import('./src/backends/sqlite/index.js')).sqliteRecords(url);
  if (store === 'postgres') {
    return (await import('./src/backends/postgres/index.js')).postgresRecords(new pg.Pool({ connectionString: url }));
  }
  const { Redis } = await import('ioredis');
  return (await import('./src/backends/redis/index.js')).redisRecords(new Redis(url));
}

async function openLocks() {
  const module = await import(`./src/backends/${store}/index.js`);
  return new Holdfast(await module[`${store}FromUrl`](store === 'sqlite' ? `sqlite:${url}` : url), { ttlMs: 2_500 });
}

const sink = new pg.Pool({ connectionString: sinkUrl });
sink.on('error', () => {});
const guard = postgresGuard(sink);
const records = await openRecords();

const roles = {
  /** One request of this key. Its charge is guarded, and recorded once it was let in. */
  async original(key, leaseTtlMs) {
    const charges = idempotent(records, { operation: `charge ${key}`, leaseTtlMs: Number(leaseTtlMs) });
    const outcome = await charges.run({ key }, async (turn) => {
      turn.effect('charge');
      const { fence, recordKey } = turn;
      say({ at: 'handler', fence, recordKey });
      const how = await word('go');
      if (how === 'guarded') {
        await guard.run({ resource: recordKey, fence }, (tx) =>
          tx.query('INSERT INTO charges VALUES ($1, $2)', [key, 'original']),
        );
      }
      return { charged: 'by the original' };
    });
    say({ at: 'end', ...outcome, error: outcome.error?.code });
  },

  /** Resolves requests of one key. `blind`: does not notice that its term is over; what keeps it out is the store. */
  async reconciler(wanted, verdict, pauseAt, blind) {
    const locks = await openLocks();
    const raise = async (write) => {
      if (pauseAt === 'raise') {
        say({ at: 'raise', fence: write.fence });
        await word('go');
      }
      return guard.raise(write);
    };
    const job = reconciler(records, {
      sinks: [{ sink: 'postgres', raise }],
      operation: `charge ${wanted}`,
      everyMs: 100,
      async resolve({ fence, recordKey, key }, { late }) {
        say({ at: 'resolve', fence, late: late.map(({ outcome }) => outcome) });
        if (pauseAt === 'resolve') await word('go');
        const { rows } = await sink.query('SELECT by FROM charges WHERE key = $1', [key]);
        if (verdict === 'retry') return { verdict, proof: { source: 'charges', notFound: recordKey, fence } };
        return { verdict, value: { charged: rows.map(({ by }) => by), said: verdict } };
      },
    });
    for (const type of ['resolved', 'unknown', 'overtaken', 'failed']) {
      job.on(type, (event) =>
        say({ event: type, term: event.term, verdict: event.verdict, disputed: event.disputed, error: event.error?.message }),
      );
    }
    lead(
      locks,
      `reconcile ${wanted}`,
      (term) => {
        say({ at: 'leading', term: term.term });
        const careless = { term: term.term, signal: new AbortController().signal, assertLeading() {} };
        return job.run(blind === 'blind' ? careless : term);
      },
      { onState: ({ state, because }) => say({ state, because }) },
    );
    await sleep(2 ** 30);
  },
};

await roles[role](...more);
process.exit(0);
