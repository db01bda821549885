// One worker of double-charge.mjs, which starts it twice and tells it when to go on.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Holdfast } from 'holdfast';
import { sqlite } from 'holdfast/sqlite';

const [kind, folder] = process.argv.slice(2);
const ttlMs = 500;

/** Messages in the order in which they came; one that is early waits. */
const mailbox = [];
let delivered = () => {};
process.on('message', (message) => {
  mailbox.push(message);
  delivered();
});

async function receive() {
  while (mailbox.length === 0) {
    await new Promise((resolve) => {
      delivered = resolve;
    });
  }
  return mailbox.shift();
}

const tell = (step, told, fence) => process.send({ step, told, fence });

async function ask(step, told, fence) {
  tell(step, told, fence);
  return (await receive()).answer;
}

/** The work. `fenceNow` gives the fence only while the lease is valid; a naive lock has nothing of the kind. */
async function payOrder(fenceNow) {
  const charged = await ask('check', 'has the lock, asks the ledger whether the order was charged');
  tell('checked', charged ? 'it was: nothing to do' : 'it was not');
  if (charged) return;
  await receive();
  let fence;
  try {
    fence = fenceNow();
  } catch (error) {
    tell('stopped', `does not charge: ${error.message}`);
    return;
  }
  await ask('charge', fence === undefined ? 'charges' : `charges, fence ${fence}`, fence);
}

/** A lock file with a TTL, as many a code base has one. Its owner never looks again whether it still has it. */
async function naive() {
  const file = join(folder, 'order-42.lock');
  for (;;) {
    try {
      writeFileSync(file, String(Date.now() + ttlMs), { flag: 'wx' });
      break;
    } catch {
      const leftMs = Number(readFileSync(file, 'utf8')) - Date.now();
      if (leftMs <= 0) rmSync(file);
      else await sleep(leftMs);
    }
  }
  await payOrder(() => undefined);
  rmSync(file, { force: true });
}

async function withHoldfast(early) {
  const locks = new Holdfast(sqlite(join(folder, 'locks.db')), { ttlMs });
  tell('ready');
  await receive();
  let work;
  try {
    await locks.request('payment:42', (lease) => {
      const before = lease.fence;
      // A bigint does not fit into a JSON message: fences travel as text.
      work = payOrder(() => String(early ? before : lease.fence));
      return work;
    });
  } catch (error) {
    if (error.name !== 'AbortError') throw error;
  }
  // A lost lease ends the request at once, while the work is still on its way to its own end.
  await work;
  await locks.close();
}

if (kind === 'naive') {
  tell('ready');
  await receive();
  await naive();
} else {
  await withHoldfast(kind === 'holdfast-early-fence');
}
tell('done');
process.disconnect();
