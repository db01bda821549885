// A writer in a process of its own: `worker.mjs <sink> <URL>`; told `write <fence>`, it writes again and again under that fence until it is refused or has
// written often enough, and says how it ended.
import process from 'node:process';
import { createInterface } from 'node:readline';

const [sink, url] = process.argv.slice(2);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const writesMax = 400;

const { openGuard } = await import(`./src/guards/${sink}/open.js`);
const { guard } = await openGuard(url);

const journal = {
  postgres: (fence) => (tx) => tx.query('INSERT INTO public.journal (fence) VALUES ($1)', [fence]),
  mysql: (fence) => (tx) => tx.query('INSERT INTO journal (fence) VALUES (?)', [fence]),
  redis: (fence) => (writes) => writes.rpush('journal', fence),
}[sink];

async function write(fence) {
  let written = 0;
  let refused = 0;
  for (let i = 0; i < writesMax; i++) {
    try {
      await guard.run({ resource: 'journal', fence: BigInt(fence) }, journal(fence));
      written += 1;
    } catch (error) {
      // A writer that was stopped may keep the lock until it goes on: that is no answer.
      if (error.code !== 'STALE_FENCE') continue;
      refused += 1;
      break;
    }
  }
  say({ written, refused });
}

await guard.mark('journal');
say({ ready: true });
createInterface(process.stdin).on('line', (line) => void write(line.split(' ')[1]));
