import type { Backend } from '../../../src/core/backend.js';
import { Commands, judge, observe, postAt, type Question, type Verdict, type VerdictId } from '../../../src/doctor/index.js';
import { Processes, type Worker } from '../../support/processes.js';

/** A store under examination: how it is opened, and processes that use it. */
export class Clinic {
  readonly #processes: Processes;
  readonly #words: readonly string[];
  readonly #url: () => string;
  readonly #open: (url: string) => Backend | Promise<Backend>;

  /**
   * @param store the folder of a store, which has a function `storeFromUrl`
   * @param open the same function
   */
  constructor(store: string, url: () => string, open: (url: string) => Backend | Promise<Backend>) {
    this.#processes = new Processes(['core', `backends/${store}`], new URL('../../support/worker.mjs', import.meta.url));
    this.#words = [`./src/backends/${store}/index.js`, `${store}FromUrl`];
    this.#url = url;
    this.#open = open;
  }

  async open(): Promise<Backend> {
    return this.#open(this.#url());
  }

  /** A process that asks for the name and keeps it; see `worker.mjs` for what it obeys. */
  asker(name: string, ttlMs: number): Worker {
    return this.#processes.start([...this.#words, this.#url(), name, String(ttlMs)]);
  }

  /** The same, once it has the name. */
  async holder(name: string, ttlMs: number): Promise<Worker> {
    const worker = this.asker(name, ttlMs);
    await worker.next();
    return worker;
  }

  /** What the doctor says, asked with a client of its own. */
  async verdicts(question: Question): Promise<readonly [Verdict, ...Verdict[]]> {
    const backend = await this.open();
    const post = postAt(backend);
    try {
      return judge(await observe(post, question), new Commands(''));
    } finally {
      post.calls.close();
      await backend.close();
    }
  }

  async ids(question: Question): Promise<readonly VerdictId[]> {
    return (await this.verdicts(question)).map(({ id }) => id);
  }
}

/** Ends it as the kernel does, and waits until it is gone. */
export async function kill(worker: Worker): Promise<void> {
  worker.child.kill('SIGKILL');
  await worker.exited;
}
