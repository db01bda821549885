import type { ChildProcess } from 'node:child_process';
import { Processes, Worker } from './processes.js';

/** What a process writes to: false if a newer fence was there before. */
export type SinkWrite = (fence: bigint) => boolean | Promise<boolean>;

export interface HolderStart {
  readonly url: string;
  readonly name: string;
  readonly ttlMs: number;
  readonly sink?: SinkWrite;
  /** What to run it with. */
  readonly command?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Holders in processes of their own, which can be killed and stopped. See `worker.mjs` for what they obey. */
export class Holders {
  readonly #processes: Processes;
  readonly #words: readonly string[];

  /** @param store the folder of a store, which has a function for URLs of the same name */
  constructor(store: 'redis' | 'redlock' | 'postgres' | 'etcd' | 'zookeeper' | 'dynamodb') {
    const needed = store === 'redlock' ? ['redis', 'redlock'] : [store];
    const parts = ['core', ...needed.map((folder) => `backends/${folder}`)];
    this.#processes = new Processes(parts, new URL('worker.mjs', import.meta.url));
    this.#words = [`./src/backends/${store}/index.js`, `${store}FromUrl`];
  }

  /** One that has been granted the name, and has written once. */
  async start({ url, name, ttlMs, sink = () => true, command = [], env = {} }: HolderStart): Promise<Holder> {
    const holder = this.#ask({ url, name, ttlMs, command, env }, sink);
    const { granted } = await holder.next();
    if (typeof granted !== 'string') throw new Error(`the process was not granted "${name}"`);
    holder.fence = BigInt(granted);
    if (!(await sink(holder.fence))) throw new Error(`the first write of the process that holds "${name}" was refused`);
    return holder;
  }

  /** One that asks for a name that somebody else has, and waits. */
  ask(start: Omit<HolderStart, 'sink'>): Worker {
    return this.#ask(start, () => true);
  }

  #ask({ url, name, ttlMs, command = [], env = {} }: Omit<HolderStart, 'sink'>, sink: SinkWrite): Holder {
    return new Holder(this.#processes.start([...this.#words, url, name, String(ttlMs)], command, { env }).child, sink);
  }
}

export class Holder extends Worker {
  /** That it was granted at first. */
  fence = 0n;
  readonly #sink: SinkWrite;

  constructor(child: ChildProcess, sink: SinkWrite) {
    super(child);
    this.#sink = sink;
  }

  override async next(): Promise<Record<string, unknown>> {
    const line = await super.next();
    return typeof line['write'] === 'string' ? { accepted: await this.#sink(BigInt(line['write'])) } : line;
  }
}
