// A holder in a process of its own: `worker.mjs <module of the store> <its function for URLs> <URL> <name> <ttlMs>`; answers in lines
// of JSON, obeys words on standard input. What it writes to the sink is told to the process that started it, which does it.
import process from 'node:process';
import { createInterface } from 'node:readline';
import { Holdfast } from './src/core/holdfast.js';

const [module, open, url, name, ttlMs] = process.argv.slice(2);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const store = await import(module);
const locks = new Holdfast(await store[open](url), { ttlMs: Number(ttlMs) });
let lease = await locks.acquire(name);
/** Picked up early, as code does that pauses between this and its write. */
const fence = String(lease.fence);
const { signal } = lease;

const touched = () => {
  try {
    return { fence: String(lease.fence) };
  } catch (error) {
    return { code: error.code, loss: error.loss, aborted: signal.aborted };
  }
};

const words = {
  /** A guarded write with the fence of the beginning. */
  write: () => say({ write: fence }),
  touch: () => say(touched()),
  /** Blocks the event loop; what comes right after it is said. */
  block(ms) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(ms));
    say(touched());
  },
  async release() {
    say({ released: await lease.release() });
  },
  async again() {
    lease = await locks.acquire(name);
    say(touched());
  },
  /** Gives everything back and closes, and ends by itself if nothing of the library keeps it alive. */
  async leave() {
    await lease.release();
    await locks.close();
    process.stdin.destroy();
    say({ left: true });
  },
  /** The same, and nothing is closed. */
  async rest() {
    await lease.release();
    process.stdin.destroy();
    say({ left: true });
  },
};

say({ granted: fence });
createInterface(process.stdin).on('line', (line) => {
  const [word, ...rest] = line.split(' ');
  void words[word](...rest);
});
