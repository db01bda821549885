import { performance } from 'node:perf_hooks';
import { long, type Stat } from './client.js';
import type { Operation } from './operation.js';
import type { Paths } from './paths.js';

/** Between two sweeps, and how many records each looks at. */
const pauseMs = 60_000;
const lookedAtMax = 200;
/**
 * How long a record stands after its time is over. Longer than any write can be on its way, which a session that is over
 * ends: versions begin anew when its node is made again.
 */
const afterMs = 600_000;

/** Takes away records whose time has long been over: ZooKeeper has no nodes with a TTL unless an operator allows them. */
export class RecordSweep {
  readonly #paths: Paths;
  readonly #operation: () => Operation;
  readonly #endOf: (data: Buffer, stat: Stat, path: string) => number | undefined;
  #lastMs = performance.now();
  #closed = false;

  constructor(paths: Paths, operation: () => Operation, endOf: (data: Buffer, stat: Stat, path: string) => number | undefined) {
    this.#paths = paths;
    this.#operation = operation;
    this.#endOf = endOf;
  }

  /** When it is time again. Nobody waits for it. */
  perhaps(): void {
    const nowMs = performance.now();
    if (this.#closed || nowMs - this.#lastMs < pauseMs) return;
    this.#lastMs = nowMs;
    this.run(afterMs).catch(() => {});
  }

  close(): void {
    this.#closed = true;
  }

  async run(overForMs: number): Promise<void> {
    const found = await this.#operation().children(this.#paths.records);
    const all = found?.children ?? [];
    const start = Math.floor(Math.random() * all.length);
    const clock = await this.#operation().commit((steps) => steps.touch(this.#paths.clock));
    if (!clock.done) return;
    const { stat } = clock.results[0] as { readonly stat: Stat };
    const nowMs = Number(long(stat.mtime));
    for (let i = 0; i < Math.min(lookedAtMax, all.length); i++) {
      const path = `${this.#paths.records}/${all[(start + i) % all.length]}`;
      const operation = this.#operation();
      const node = await operation.read(path);
      if (node === undefined || this.#closed) continue;
      const end = this.#endOf(node.data, node.stat, path);
      if (end !== undefined && end + overForMs < nowMs) await operation.remove(path, node.stat.version);
    }
  }
}
