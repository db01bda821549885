import { basename } from 'node:path';
import { NotSupportedError } from '../../core/errors.js';
import { decodeName } from '../../core/name.js';
import { isAlive, type Process } from './alive.js';
import { aheadMsMax, type MachineClock } from './clock.js';
import type { Database } from './database.js';
import type { AfterCommit } from './session.js';

/** What every operation needs to know about this process. */
export interface Here {
  readonly path: string;
  readonly clock: MachineClock;
  readonly self: Process;
  /** Name of the file that wakes this process. */
  readonly bell: string;
  /** Whether that file cannot be watched, so that waiting is polling. */
  deaf(): boolean;
  /** Wakes the waiters of `name` behind these bells. */
  ring(bells: ReadonlySet<string>, name: string): void;
}

/** One operation inside one transaction, at one reading of the clock. */
export class Context {
  readonly here: Here;
  readonly db: Database;
  readonly nowMs: number;
  readonly after: AfterCommit;
  readonly #alive = new Map<string, boolean | undefined>();

  constructor(here: Here, db: Database, after: AfterCommit) {
    this.here = here;
    this.db = db;
    this.nowMs = here.clock.nowMs();
    this.after = after;
  }

  get boot(): string {
    return this.here.clock.boot;
  }

  untilMs(ttlMs: number): number {
    return this.nowMs + ttlMs + this.here.clock.slackMs;
  }

  /** Whether a time that a record of `boot` wrote down cannot be meant for us any more. */
  isOtherBoot(boot: string, writtenMs: number, name: string): boolean {
    if (boot !== this.boot) return true;
    if (writtenMs <= this.nowMs + aheadMsMax) return false;
    if (!this.here.clock.named) return true;
    // Our own reading may be old by now: on a crowded machine a process can lose its core for seconds.
    if (writtenMs <= this.here.clock.nowMs() + aheadMsMax) return false;
    throw new NotSupportedError(
      `the lock ${JSON.stringify(decodeName(name))} in ${basename(this.here.path)} was written at an uptime of ${Math.round(writtenMs / 1_000)} s, but this process is shown ${Math.round(this.nowMs / 1_000)} s: one of the two sees another uptime than the machine's (a container with its own /proc/uptime); give both the machine's, or use another backend for ${this.here.path}`,
      { lock: decodeName(name) },
    );
  }

  /** Undefined where it cannot be seen from here. One look per process and transaction. */
  readonly alive = (process: Process, boot: string): boolean | undefined => {
    if (this.here.clock.named && boot !== this.boot) return false;
    const key = `${process.node.pid} ${process.node.startedAt} ${process.node.bootId}`;
    if (!this.#alive.has(key)) this.#alive.set(key, isAlive(process, this.here.self));
    return this.#alive.get(key);
  };
}
