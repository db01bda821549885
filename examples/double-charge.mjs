// A payment worker is frozen past its lease. Run it: node examples/double-charge.mjs
//
// Worker A takes the lock of an order, sees that nothing was charged yet, and is frozen (SIGSTOP here; a long garbage
// collection, a suspended laptop or a paused container elsewhere). Its lease runs out, worker B takes over and charges.
// Then A wakes up in the middle of its work and goes on where it was.
//
// This process plays the ledger: the workers ask it and charge through it. Every step waits for the one before it to
// have happened, so the story ends the same way every time.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const workerFile = fileURLToPath(new URL('./double-charge-worker.mjs', import.meta.url));

/** What the work writes to. With `guarded`, it refuses a fence older than the newest it has seen: a guard's one rule. */
class Ledger {
  charges = [];
  #newest = 0n;
  #guarded;

  constructor(guarded) {
    this.#guarded = guarded;
  }

  charge(worker, fence) {
    if (this.#guarded && BigInt(fence) < this.#newest) return `refused: fence ${fence} is older than ${this.#newest}`;
    if (this.#guarded) this.#newest = BigInt(fence);
    this.charges.push(worker);
    return 'charged 99.00';
  }
}

/** A worker process and what it says. It answers the ledger's part by itself; `heard` waits for a step of the story. */
class Worker {
  #child;
  #name;
  #said = [];
  #wake = () => {};

  constructor(name, lock, folder, ledger) {
    this.#name = name;
    this.#child = fork(workerFile, [lock, folder]);
    this.#child.on('message', (message) => this.#answer(message, ledger));
    this.#child.on('exit', (code) => this.#hear(`exit ${code}`));
  }

  #answer({ step, told, fence }, ledger) {
    if (told !== undefined) console.log(`  ${this.#name}  ${told}`);
    if (step === 'check') this.#child.send({ answer: ledger.charges.length > 0 });
    if (step === 'charge') {
      const outcome = ledger.charge(this.#name, fence);
      console.log(`     ledger: ${outcome}`);
      this.#child.send({ answer: outcome });
    }
    this.#hear(step);
  }

  #hear(step) {
    this.#said.push(step);
    this.#wake();
  }

  async heard(step) {
    while (!this.#said.includes(step)) {
      if (this.#said.some((said) => said.startsWith('exit'))) throw new Error(`worker ${this.#name} ended before "${step}"`);
      await new Promise((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  send(message) {
    this.#child.send(message);
  }

  freeze() {
    console.log(`  ${this.#name}  is frozen, about to charge`);
    this.#child.kill('SIGSTOP');
  }

  wake() {
    console.log(`  ${this.#name}  wakes up`);
    this.#child.kill('SIGCONT');
  }

  async end() {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit');
  }

  kill() {
    this.#child.kill('SIGKILL');
  }
}

class Story {
  #title;
  #folder = mkdtempSync(join(tmpdir(), 'double-charge-'));
  #ledger;
  #a;
  #b;

  constructor(title, lock, guarded) {
    this.#title = title;
    this.#ledger = new Ledger(guarded);
    this.#a = new Worker('A', lock, this.#folder, this.#ledger);
    this.#b = new Worker('B', lock, this.#folder, this.#ledger);
  }

  async play() {
    console.log(this.#title);
    await this.#steps(this.#a, this.#b);
    const count = this.#ledger.charges.length;
    console.log(`  => charged ${count === 1 ? 'once' : count === 2 ? 'twice' : `${count} times`}\n`);
  }

  async #steps(a, b) {
    await Promise.all([a.heard('ready'), b.heard('ready')]);
    a.send('take');
    await a.heard('checked');
    a.freeze();
    b.send('take');
    await b.heard('checked');
    b.send('charge');
    await b.heard('done');
    // The order lies in A's mailbox while A is still frozen: it charges as the first thing it does, or finds it must not.
    a.send('charge');
    a.wake();
    await a.heard('done');
    await Promise.all([a.end(), b.end()]);
  }

  clear() {
    this.#a.kill();
    this.#b.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

// All workers start now, so that the later stories need not wait for theirs.
const stories = [
  new Story('Without Holdfast: a lock file with a TTL', 'naive', false),
  new Story('With Holdfast: the fence is read at the moment of the charge', 'holdfast', true),
  new Story('With Holdfast: the fence was read before the freeze, the request is on its way', 'holdfast-early-fence', true),
];
try {
  for (const story of stories) await story.play();
} finally {
  for (const story of stories) story.clear();
}
