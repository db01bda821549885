import type { Commands } from './commands.js';
import type { Settings } from './options.js';

/** How often the tables are swept, by whichever process comes first. */
const everyMs = 3_600_000;
/** A process looks for the first time after some minutes: not every short command is to ask. */
const firstMs = 300_000;
const rowsMax = 10_000;
const timeoutMs = 30_000;

/** Takes out of the tables what nothing depends on any more: now and then, beside a grant, and waited for by nobody. */
export class Sweeper {
  readonly #commands: Commands;
  readonly #settings: Settings;
  #nextMs = performance.now() + firstMs * (1 + Math.random());

  constructor(commands: Commands, settings: Settings) {
    this.#commands = commands;
    this.#settings = settings;
  }

  /** Called with every grant. */
  pass(): void {
    const nowMs = performance.now();
    if (nowMs < this.#nextMs) return;
    this.#nextMs = nowMs + everyMs;
    // What fails is tried again in an hour, here or elsewhere.
    this.#sweep().catch(() => {});
  }

  /** In rounds, each short, until a round finds less than it may take: an hour may leave more names behind than one round takes out. */
  async #sweep(): Promise<void> {
    for (let dueMs = everyMs; ; dueMs = 0) {
      const args = [this.#settings.fenceRetentionMs, dueMs, rowsMax] as const;
      if (Number(await this.#commands.call('sweep', args, 'sweeping', timeoutMs)) < rowsMax) return;
    }
  }
}
