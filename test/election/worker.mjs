// A candidate in a process of its own: `worker.mjs <module of the store> <its function for URLs> <URL> <name> <ttlMs> <after>`; says
// every change of state, and its writes, in lines of JSON. `after`: writes that the work still makes when it was told to end.
import process from 'node:process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Holdfast } from './src/core/holdfast.js';
import { lead } from './src/election/index.js';

const [module, open, url, name, ttlMs, after] = process.argv.slice(2);
const say = (line) =>
  process.stdout.write(`${JSON.stringify(line, (_, value) => (typeof value === 'bigint' ? String(value) : value))}\n`);

const store = await import(module);
const locks = new Holdfast(await store[open](url), { ttlMs: Number(ttlMs) });

async function work({ term, signal }) {
  // The number of the term is picked up once, as code does that pauses between this and its write.
  while (!signal.aborted) {
    say({ write: term });
    await sleep(2);
  }
  for (let late = 0; late < Number(after); late++) {
    say({ write: term, late: true });
    await sleep(20);
  }
  say({ workEnded: term });
}

const candidate = lead(locks, name, work, {
  metadata: { pid: process.pid },
  onState: ({ state, term, because }) => say({ state, term, because }),
});

const words = {
  resign: () => candidate.resign(),
  async leave() {
    await candidate.close();
    await locks.close();
    process.stdin.destroy();
  },
};
createInterface(process.stdin).on('line', (word) => void words[word]());
