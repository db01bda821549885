import { afterEach, expect } from 'vitest';
import type { Holdfast } from '../../src/core/holdfast.js';
import { Processes, type Worker } from '../support/processes.js';
import { Sink } from '../support/sink.js';
import { until } from '../support/waits.js';
import { signalTo } from '../support/stand-still.js';

/** What a candidate of another process said. */
interface Said {
  readonly state?: string;
  readonly term?: string;
  readonly because?: string;
  readonly write?: string;
  readonly late?: boolean;
  readonly workEnded?: string;
}

/** A candidate in a process of its own. */
export class CandidateProcess {
  readonly worker: Worker;
  /** Everything but its writes, in order. */
  readonly said: Said[] = [];
  readonly #name: string;
  readonly #sink: Sink;

  constructor(worker: Worker, name: string, sink: Sink) {
    this.worker = worker;
    this.#name = name;
    this.#sink = sink;
    void this.#listen();
  }

  async #listen(): Promise<void> {
    for (;;) {
      const line = (await this.worker.next()) as Said;
      if (line.write !== undefined) this.#sink.write(BigInt(line.write), `${this.#name} in term ${line.write}`);
      else this.said.push(line);
    }
  }

  get terms(): readonly bigint[] {
    return this.said.filter(({ state }) => state === 'leading').map(({ term }) => BigInt(term ?? 0));
  }

  get leads(): boolean {
    return this.said.at(-1)?.state === 'leading';
  }

  signal(signal: NodeJS.Signals): void {
    signalTo(this.worker.child, signal);
  }
}

/** Candidates in processes of their own, and the sink of their writes. After every test the sink's history is checked. */
export class Scene {
  sink = new Sink();
  readonly #processes: Processes;
  readonly #words: readonly string[];
  readonly #instances: Holdfast[] = [];
  #started = 0;

  /** @param store the folder of a store, which has a function for URLs of the same name */
  constructor(store: string) {
    this.#processes = new Processes(['core', 'election', `backends/${store}`], new URL('worker.mjs', import.meta.url));
    this.#words = [`./src/backends/${store}/index.js`, `${store}FromUrl`];
    afterEach(async () => {
      await Promise.all(this.#instances.splice(0).map((locks) => locks.close()));
      this.sink.check();
      this.sink = new Sink();
    });
  }

  candidate(url: string, name: string, ttlMs: number, writesAfter = 0): CandidateProcess {
    this.#started += 1;
    const worker = this.#processes.start([...this.#words, url, name, String(ttlMs), String(writesAfter)]);
    return new CandidateProcess(worker, `candidate ${this.#started}`, this.sink);
  }

  /** An instance of this process, closed when the test is over. */
  watch(locks: Holdfast): Holdfast {
    this.#instances.push(locks);
    return locks;
  }
}

export async function leads(candidates: readonly CandidateProcess[], withinMs: number): Promise<CandidateProcess> {
  await until(() => candidates.some((one) => one.leads), 'somebody leads', withinMs);
  return candidates.find((one) => one.leads) as CandidateProcess;
}

/** All terms of all candidates: no two are equal, and each candidate's rise. */
export function expectTermsToRise(candidates: readonly CandidateProcess[]): void {
  const all = candidates.flatMap(({ terms }) => terms);
  expect(new Set(all).size).toBe(all.length);
  for (const { terms } of candidates) expect(terms).toEqual([...terms].sort((a, b) => Number(a - b)));
}
