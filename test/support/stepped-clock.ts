import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { works } from './processes.js';

/** faketime cannot do it: the server reads its clock too often for it. Loud where it has to be skipped. */
export const gccIsMissing = ((): boolean => {
  if (works('gcc', '--version')) return false;
  if (process.env['CI'] === 'true') throw new Error('gcc is not installed: apt-get install gcc libc6-dev');
  console.warn('SKIPPED: the clock of a server cannot be stepped without gcc (apt-get install gcc libc6-dev)');
  return true;
})();

/** A wall clock that can be stepped, for servers that are started by `run`. */
export class SteppedClock {
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'holdfast-clock-'));
  readonly #library = path.join(this.#folder, 'clock.so');
  readonly #offset = path.join(this.#folder, 'offset');

  constructor() {
    // Some servers run as another user.
    chmodSync(this.#folder, 0o755);
    this.step(0);
    const source = fileURLToPath(new URL('clock-shim.c', import.meta.url));
    const built = spawnSync('gcc', ['-shared', '-fPIC', '-O2', '-o', this.#library, source, '-ldl'], { encoding: 'utf8' });
    if (built.status !== 0) throw new Error(`gcc failed: ${built.stderr}`);
  }

  /** What is started while it runs has this clock. */
  async run<T>(start: () => Promise<T>): Promise<T> {
    const uninstall = this.install();
    try {
      return await start();
    } finally {
      uninstall();
    }
  }

  /** What is started from now on has this clock, until the function is called that it returns. */
  install(): () => void {
    const before = process.env['LD_PRELOAD'];
    process.env['LD_PRELOAD'] = this.#library;
    process.env['HOLDFAST_CLOCK_OFFSET_FILE'] = this.#offset;
    return () => {
      if (before === undefined) delete process.env['LD_PRELOAD'];
      else process.env['LD_PRELOAD'] = before;
    };
  }

  /** How many seconds it is wrong by from now on. */
  step(seconds: number): void {
    writeFileSync(this.#offset, String(seconds));
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
