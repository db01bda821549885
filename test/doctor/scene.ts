import { afterAll, afterEach, beforeAll } from 'vitest';
import type { Ask, Backend } from '../../src/core/backend.js';
import { Holdfast } from '../../src/core/holdfast.js';
import { parseName } from '../../src/core/name.js';
import { readNodeIdentity } from '../../src/core/node.js';
import { Commands, judge, observe, postAt, type Question, type Verdict } from '../../src/doctor/index.js';
import { type Holder, Holders } from '../support/holders.js';
import type { Worker } from '../support/processes.js';
import { until } from '../support/waits.js';

export type Undo = () => unknown;

/** A real store, and what is its own of the situations. */
export interface Store {
  readonly folder: 'redlock' | 'postgres' | 'etcd' | 'zookeeper';
  /** For other processes. */
  readonly url: () => string;
  /** Short, and long enough that a busy machine keeps it, and that what is left of it can be told from what was. */
  readonly ttlMs: number;
  start(): Promise<void>;
  stop(): Promise<void>;
  open(): Promise<Backend>;
}

/** A store, and whoever makes a situation on it. After each test all of them are gone. */
export class Scene {
  readonly #store: Store;
  readonly #holders: Holders;
  readonly #undo: Undo[] = [];
  #doctor: Backend | undefined;

  constructor(store: Store) {
    this.#store = store;
    this.#holders = new Holders(store.folder);
    beforeAll(() => store.start());
    afterEach(async () => {
      for (const undo of this.#undo.splice(0).reverse()) await undo();
    });
    afterAll(async () => {
      await this.#doctor?.close();
      await store.stop();
    });
  }

  /** The client through which the doctor looks. */
  async doctor(): Promise<Backend> {
    this.#doctor ??= await this.#store.open();
    return this.#doctor;
  }

  later(undo: Undo): void {
    this.#undo.push(undo);
  }

  /** An instance in this process, on a client of its own. */
  async locks(ttlMs = this.#store.ttlMs): Promise<Holdfast> {
    const locks = new Holdfast(await this.#store.open(), { ttlMs });
    this.later(() => locks.close());
    return locks;
  }

  async hold(name: string, ttlMs?: number): Promise<void> {
    await (await this.locks(ttlMs)).acquire(name);
  }

  /** A holder in a process of its own. */
  holder(name: string, ttlMs = this.#store.ttlMs): Promise<Holder> {
    return this.#holders.start({ url: this.#store.url(), name, ttlMs });
  }

  /** A process that waits for a name, seen in the queue. */
  async waiter(name: string): Promise<Worker> {
    const worker = this.#holders.ask({ url: this.#store.url(), name, ttlMs: this.#store.ttlMs });
    await this.#seen(name, (pid) => pid === worker.child.pid);
    return worker;
  }

  /** One who has asked once, has a place, and does not come when it is its turn. */
  async absentee(name: string): Promise<void> {
    const backend = await this.#store.open();
    const node = readNodeIdentity();
    const base = {
      owner: crypto.randomUUID(),
      mode: 'exclusive',
      ttlMs: 10_000,
      fences: 1,
      enqueue: true,
      metadata: {},
    } as const;
    const ask: Ask = { ...base, name: parseName(name), node };
    await backend.acquire(ask);
    this.later(async () => {
      await backend.abandon(ask);
      await backend.close();
    });
    await this.#seen(name, (pid) => pid === node.pid);
  }

  async #seen(name: string, isIt: (pid: number) => boolean): Promise<void> {
    const doctor = await this.doctor();
    await until(async () => {
      for await (const { state, node } of doctor.list(name)) if (state === 'waiting' && isIt(node.pid)) return true;
      return false;
    }, 'it waits in the queue');
  }

  async diagnose(name: string, question: Partial<Question> = {}): Promise<readonly Verdict[]> {
    const post = postAt(await this.doctor());
    try {
      return judge(await observe(post, { name, ...question }), new Commands(` --backend ${this.#store.url()}`));
    } finally {
      post.calls.close();
    }
  }
}
