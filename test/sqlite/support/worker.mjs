// A process of its own: `worker.mjs <what> <file> <name> …`; answers in lines of JSON, obeys lines on standard input.
import { randomBytes } from 'node:crypto';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { sqlite } from './src/backends/sqlite/index.js';
import { Holdfast } from './src/core/holdfast.js';
import { parseName } from './src/core/name.js';
import { readNodeIdentity } from './src/core/node.js';

const [what, file, name, ...rest] = process.argv.slice(2);
const backend = sqlite(file);
const say = (line) =>
  process.stdout.write(`${JSON.stringify(line, (_, part) => (typeof part === 'bigint' ? `${part}` : part))}\n`);
const heard = createInterface(process.stdin);
const told = () => new Promise((resolve) => heard.once('line', resolve));

const ask = (over) => ({
  name: parseName(name),
  owner: randomBytes(16).toString('base64url'),
  mode: 'exclusive',
  ttlMs: 60_000,
  fences: 1,
  enqueue: false,
  node: readNodeIdentity(),
  metadata: {},
  ...over,
});

const works = {
  /** Takes the name, then stays until told. */
  async hold(ttlMs = '60000') {
    const mine = ask({ ttlMs: Number(ttlMs) });
    say({ pid: process.pid, ...(await backend.acquire(mine)) });
    await told();
    say({ released: await backend.release(mine) });
  },
  /** Takes a place in the queue, then stays. */
  async queue() {
    say({ pid: process.pid, ...(await backend.acquire(ask({ enqueue: true }))) });
    await told();
  },
  /** Many turns, each a read, a pause and a write that only exclusion keeps from being lost. */
  async count(counter, log, turns) {
    const locks = new Holdfast(backend);
    for (let turn = 0; turn < Number(turns); turn++) {
      await locks.request(name, async (lease) => {
        const before = Number(readFileSync(counter, 'utf8'));
        appendFileSync(log, `${lease.fence}\n`);
        await new Promise((resolve) => setImmediate(resolve));
        writeFileSync(counter, String(before + 1));
      });
    }
    await locks.close();
    say({ done: true });
  },
};

try {
  await works[what](...rest);
} catch (error) {
  say({ code: error.code, message: error.message });
}
await backend.close();
process.exit(0);
