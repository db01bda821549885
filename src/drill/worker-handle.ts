import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { createInterface } from 'node:readline';
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Freezer } from './freezer.js';
import type { History } from './history.js';
import type { Command, Deed, Happening, Opener } from './protocol.js';
import type { MarkedSink } from './sink.js';
import { machineMs } from './time.js';

const entry = fileURLToPath(new URL('worker/main.js', import.meta.url));
/** A worker gives back what it holds when it is told to leave. One that hangs there is killed. */
const leaveMsMax = 3_000;

/** One worker process, as the drill sees it. All that it says goes into the history. */
export class WorkerHandle {
  readonly label: string;
  readonly #child: ChildProcess;
  readonly #history: History;
  readonly #sink: MarkedSink;
  #freezer: Freezer | undefined;
  /** Its end is our doing. */
  #ending = false;

  constructor(label: string, opener: Opener, history: History, sink: MarkedSink) {
    this.label = label;
    this.#history = history;
    this.#sink = sink;
    // Detached: a Ctrl-C is for the drill, which then ends its workers. They end by themselves when their input does.
    const stdio = ['pipe', 'pipe', 'ignore', 'pipe'] as const;
    this.#child = spawn(process.execPath, [entry], { stdio: [...stdio], detached: true });
    this.#child.on('error', (error) => this.#note({ type: 'failed', atMs: machineMs(), code: 'none', message: error.message }));
    this.#child.on('exit', (code, signal) => {
      if (this.#ending) return;
      this.#note({
        type: 'failed',
        atMs: machineMs(),
        code: 'none',
        message: `the ${label} ended by itself (${signal ?? code})`,
      });
    });
    for (const stream of this.#child.stdio) stream?.on('error', () => {});
    if (this.#child.stdout !== null) {
      createInterface(this.#child.stdout).on('line', (line) => this.#hear(line));
    }
    this.tell({ do: 'open', opener });
  }

  tell(command: Command): void {
    this.#child.stdin?.write(`${JSON.stringify(command)}\n`);
  }

  /** As `kill -9` does. Resolves when the process is gone. */
  async kill(): Promise<number> {
    const atMs = machineMs();
    this.#note({ type: 'killed', atMs });
    await this.#end(() => this.#child.kill('SIGKILL'));
    return atMs;
  }

  /** Stops the whole process. Answers when it stood still. */
  async freeze(): Promise<number> {
    this.#freezer = await Freezer.freeze(this.#child.pid ?? 0);
    return machineMs();
  }

  /** Answers a moment at which it had not yet gone on. */
  async thaw(): Promise<number> {
    const atMs = machineMs();
    await this.#freezer?.thaw();
    this.#freezer = undefined;
    return atMs;
  }

  /** The end of `block`. Answers a moment at which the event loop still stood. */
  unblock(): number {
    const atMs = machineMs();
    (this.#child.stdio[3] as Writable | null)?.write('.');
    return atMs;
  }

  /** Ends it, whatever state it is in. */
  async leave(): Promise<void> {
    await this.thaw();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), leaveMsMax);
    await this.#end(() => {
      (this.#child.stdio[3] as Writable | null)?.end();
      this.#child.stdin?.end();
    });
    clearTimeout(timer);
  }

  /** Resolves when it is gone, also if it was before. */
  async #end(by: () => void): Promise<void> {
    if (this.#child.pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#ending = true;
    by();
    await exited;
  }

  #hear(line: string): void {
    const happening = parsed(line);
    if (happening === undefined) return;
    this.#note(happening);
    if (happening.type !== 'write') return;
    const { turn, id, fence } = happening;
    const { accepted, mark } = this.#sink.write(BigInt(fence));
    this.#note({ type: 'sank', atMs: machineMs(), turn, id, fence, mark: String(mark), accepted });
    this.tell({ do: 'wrote', id, accepted });
  }

  #note(note: Happening | Deed): void {
    this.#history.add({ ...note, worker: this.label });
  }
}

/** Undefined for what is none of ours: a module may print what it likes, and who is killed may be in the middle of a line. */
function parsed(line: string): Happening | undefined {
  try {
    const value = JSON.parse(line) as Partial<Happening> | null;
    return typeof value?.type === 'string' && typeof value.atMs === 'number' ? (value as Happening) : undefined;
  } catch {
    return undefined;
  }
}
