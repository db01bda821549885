// A holder in a process of its own: `worker.mjs <endpoint> <name> <ttlMs>`; answers in lines of JSON, obeys words on standard input.
import process from 'node:process';
import { createInterface } from 'node:readline';
import * as grpc from '@grpc/grpc-js';
import { etcd } from './src/backends/etcd/index.js';
import { Holdfast } from './src/core/holdfast.js';

const [endpoint, name, ttlMs] = process.argv.slice(2);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const locks = new Holdfast(etcd({ grpc, endpoints: [endpoint] }), { ttlMs: Number(ttlMs) });
const lease = await locks.acquire(name);
const { signal } = lease;
say({ fence: String(lease.fence) });

const touched = () => {
  try {
    return { fence: String(lease.fence) };
  } catch (error) {
    return { code: error.code, loss: error.loss, aborted: signal.aborted };
  }
};

const words = {
  touch: () => say(touched()),
  /** Gives everything back, and ends by itself if nothing of the library keeps it alive. Nothing is closed. */
  async leave() {
    await lease.release();
    process.stdin.destroy();
    say({ left: true });
  },
};
createInterface(process.stdin).on('line', (word) => void words[word]());
