import { createInterface } from 'node:readline';
import { FinalFailure, idempotent } from './src/idempotency/index.js';
import { openRecords } from './open.mjs';

/** One request: `store address key leaseTtlMs`. Says when its handler runs, which then does what it is told: `effect`, `complete`, `fail`, `throw`. */
const [store, address, key, leaseTtlMs] = process.argv.slice(2);
const records = await openRecords((name) => import(`./src/backends/${name}/index.js`), store, address);
const charges = idempotent(records, { operation: 'charge', leaseTtlMs: Number(leaseTtlMs), ttlMs: 86_400_000 });
const lines = createInterface(process.stdin)[Symbol.asyncIterator]();
const say = (line) =>
  process.stdout.write(`${JSON.stringify(line, (_, value) => (typeof value === 'bigint' ? String(value) : value))}\n`);

try {
  const outcome = await charges.run({ key, parts: ['100 EUR'] }, async (turn) => {
    say({ event: 'handler', attempt: turn.attempt, pid: process.pid });
    for (;;) {
      const { value: word } = await lines.next();
      if (word === 'effect') {
        turn.effect('charge');
        say({ event: 'effect' });
      } else if (word === 'complete') return { by: process.pid };
      else if (word === 'fail') throw new FinalFailure({ declined: true });
      else throw new Error('told to throw');
    }
  });
  say({ event: 'outcome', ...outcome, ...(outcome.error === undefined ? {} : { error: String(outcome.error) }) });
} catch (error) {
  say({ event: 'thrown', message: error.message, code: error.code });
}
await charges.close();
await records.close();
process.exit(0);
