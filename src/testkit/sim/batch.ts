import { performance } from 'node:perf_hooks';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import type { Violation } from '../check/check.js';
import { generate } from './generate.js';
import { generateQuorum } from './quorum/generate.js';
import { run } from './run.js';

export interface Failure {
  readonly seed: number;
  readonly kind: string;
  readonly violations: readonly Violation[];
}

export interface BatchResult {
  readonly seeds: number;
  readonly failures: readonly Failure[];
  readonly tookMs: number;
}

export interface BatchOptions {
  readonly from: number;
  readonly seeds: number;
  readonly workers: number;
  /** Worlds of several nodes. */
  readonly quorum: boolean;
  /** Ends at the first seed that fails. */
  readonly stopAtFirst: boolean;
  readonly onFailure?: (failure: Failure) => void;
}

/** Seeds that one message hands to a worker: so few that none is left alone with the last of them. */
const portion = 20;

/** Plays a range of seeds on several cores. */
export async function batch(options: BatchOptions): Promise<BatchResult> {
  const startedMs = performance.now();
  const failures: Failure[] = [];
  let next = options.from;
  let played = 0;
  const end = options.from + options.seeds;
  const take = () => {
    if (next >= end || (options.stopAtFirst && failures.length > 0)) return undefined;
    const range = { from: next, to: Math.min(end, next + portion) };
    next = range.to;
    return range;
  };
  const report = (failure: Failure) => {
    failures.push(failure);
    options.onFailure?.(failure);
  };
  await Promise.all(
    Array.from({ length: options.workers }, async () => {
      const worker = new Worker(new URL(import.meta.url), { workerData: 'holdfast-sim' });
      try {
        for (let range = take(); range !== undefined; range = take()) {
          for (const failure of await playIn(worker, { ...range, quorum: options.quorum, stopAtFirst: options.stopAtFirst }))
            report(failure);
          played += range.to - range.from;
        }
      } finally {
        await worker.terminate();
      }
    }),
  );
  failures.sort((a, b) => a.seed - b.seed);
  return { seeds: played, failures, tookMs: performance.now() - startedMs };
}

interface Range {
  readonly from: number;
  readonly to: number;
  readonly quorum: boolean;
  readonly stopAtFirst: boolean;
}

function playIn(worker: Worker, range: Range): Promise<Failure[]> {
  return new Promise((resolve, reject) => {
    worker.removeAllListeners();
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.postMessage(range);
  });
}

async function play({ from, to, quorum, stopAtFirst }: Range): Promise<Failure[]> {
  const failures: Failure[] = [];
  for (let seed = from; seed < to; seed++) {
    const scenario = quorum ? generateQuorum(seed) : generate(seed);
    const { violations } = await run(scenario);
    if (violations.length === 0) continue;
    failures.push({ seed, kind: scenario.kind, violations });
    if (stopAtFirst) break;
  }
  return failures;
}

if (!isMainThread && workerData === 'holdfast-sim') {
  parentPort?.on('message', (range: Range) => {
    void play(range).then((failures) => parentPort?.postMessage(failures));
  });
}
