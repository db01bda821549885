import { type ChildProcess, spawn } from 'node:child_process';
import os from 'node:os';
import { CliError, exit } from './exit.js';
import { Guard } from './guard.js';
import { isTerminal } from './say.js';
import { Tree } from './tree.js';
import { commandProcess } from './undertaker/command-process.js';
import type { Will } from './undertaker/will.js';

/**
 * The command that runs under the lock, and everything that it starts.
 *
 * Without a terminal on standard input it is the leader of a session and process group of its own, and every signal
 * goes to the whole group. With one, it stays in our group: only the terminal's foreground group may read from it, and
 * the terminal itself sends that group Ctrl-C, Ctrl-\ and Ctrl-Z. Our group may hold others (`holdfast … | less`), so
 * there signals go to the command.
 *
 * A loss is no signal that is handed on: then everything ends that the command has started.
 */
export class Child {
  /** The exit status as a shell gives it. */
  readonly exited: Promise<number>;
  readonly ownGroup: boolean;
  readonly #process: ChildProcess;
  readonly #guard: Guard;
  /** Absent if it could not be started. */
  readonly #tree: Tree | undefined;

  /**
   * @param prefix words in front of the command
   * @param will how the lease is given back if we die before the command
   */
  constructor(prefix: readonly string[], command: readonly string[], env: NodeJS.ProcessEnv, will: Will) {
    this.ownGroup = !isTerminal(0);
    this.#guard = new Guard(will);
    const [file = '', ...args] = [...prefix, ...command];
    try {
      this.#process = spawn(file, args, { stdio: 'inherit', env, detached: this.ownGroup });
    } catch (error) {
      void this.#guard.dismiss();
      throw cannotStart(command[0] ?? '', error as Error);
    }
    const { pid } = this.#process;
    this.exited = new Promise((resolve, reject) => {
      this.#process.on('error', (error) => reject(cannotStart(command[0] ?? '', error)));
      this.#process.once('exit', (code, signal) => resolve(code ?? exit.signalBase + signalNumber(signal)));
    });
    // Nobody may be listening yet when it cannot be started.
    this.exited.catch(() => {});
    if (pid === undefined) return;
    const started = commandProcess(pid, this.ownGroup);
    this.#tree = new Tree(started, will.runId, () => this.#process.exitCode !== null || this.#process.signalCode !== null);
    this.#guard.watch(started);
  }

  /** Hands a signal on to the command's group, or to the command where it shares ours. */
  signal(signal: NodeJS.Signals): void {
    this.#tree?.signal(signal);
  }

  /** Stops everything that was started, until `resume`. */
  suspend(): void {
    this.#tree?.suspend();
  }

  resume(): void {
    this.#tree?.resume();
  }

  /** Asks everything that was started to end. */
  terminate(): void {
    this.#tree?.terminate();
  }

  /** Ends everything that was started. */
  kill(): void {
    this.#tree?.kill();
  }

  /** Waits until nothing is left of it, which may be after the end of the command itself. */
  async gone(): Promise<void> {
    await this.#tree?.gone();
  }

  /** The processes that are left, by their numbers. */
  left(): readonly number[] {
    return this.#tree?.left() ?? [];
  }

  /** After its end: whoever watches over it must kill nobody any more. */
  over(): void {
    this.#guard.commandOver();
  }

  /** After the end of the lease: whoever watched over it may go. */
  forget(): Promise<void> {
    return this.#guard.dismiss();
  }
}

export function signalNumber(signal: NodeJS.Signals | null): number {
  return signal === null ? 0 : os.constants.signals[signal];
}

function cannotStart(name: string, error: Error): CliError {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'E2BIG') {
    const mend = 'hand long ones over in a file';
    return new CliError(exit.notExecutable, `${name}: its arguments and the environment are too long for this system: ${mend}`);
  }
  const status = code === 'ENOENT' ? exit.notFound : exit.notExecutable;
  return new CliError(status, `${name}: cannot be started (${error.message})`);
}
