// A holder in a process of its own: `worker.mjs <store> <sink> <script of a guarded write> <name> <ttlMs> <turn>`; answers in
// lines of JSON, obeys words on standard input.
import process from 'node:process';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';
import { redis } from './src/backends/redis/index.js';
import { Holdfast } from './src/core/holdfast.js';

const [store, sinkUrl, guardedWrite, name, ttlMs, turn] = process.argv.slice(2);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const client = new Redis(store);
const sink = new Redis(sinkUrl);
for (const each of [client, sink]) each.on('error', () => {});

const locks = new Holdfast(redis(client), { ttlMs: Number(ttlMs) });
const lease = await locks.acquire(name);
/** Picked up early, as code does that pauses between this and its write. */
const fence = String(lease.fence);
const signal = lease.signal;

const write = async () => (await sink.eval(guardedWrite, 2, 'newest', 'history', fence, turn)) === 1;

const touched = () => {
  try {
    return { fence: String(lease.fence) };
  } catch (error) {
    return { code: error.code, loss: error.loss, aborted: signal.aborted };
  }
};

const words = {
  /** A guarded write with the fence of the beginning. */
  async write() {
    say({ accepted: await write() });
  },
  touch: () => say(touched()),
  /** Blocks the event loop; what comes right after it is said. */
  block(ms) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(ms));
    say(touched());
  },
  async release() {
    say({ released: await lease.release() });
    await locks.close();
    process.exit(0);
  },
  /** Gives everything back, and ends by itself if nothing of the library keeps it alive. */
  async leave() {
    await lease.release();
    client.disconnect();
    sink.disconnect();
    process.stdin.destroy();
    say({ left: true });
  },
};

say({ granted: await write(), fence });
createInterface(process.stdin).on('line', (line) => {
  const [word, ...rest] = line.split(' ');
  void words[word](...rest);
});
