// A holder in a process of its own: `worker.mjs <servers> <sink> <script of a guarded write> <name> <ttlMs> <turn>`; answers in
// lines of JSON, obeys words on standard input.
import process from 'node:process';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';
import zk from 'node-zookeeper-client';
import { zookeeper } from './src/backends/zookeeper/index.js';
import { Holdfast } from './src/core/holdfast.js';

const [servers, sinkUrl, guardedWrite, name, ttlMs, turn] = process.argv.slice(2);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const sink = new Redis(sinkUrl);
sink.on('error', () => {});

const store = zookeeper((sessionTimeout) => zk.createClient(servers, { sessionTimeout, spinDelay: 100 }));
const locks = new Holdfast(store, { ttlMs: Number(ttlMs) });
let lease = await locks.acquire(name);
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
  },
  async again() {
    lease = await locks.acquire(name);
    say(touched());
  },
  /** Gives everything back, and ends by itself if nothing of the library keeps it alive. */
  async leave() {
    await lease.release();
    await locks.close();
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
