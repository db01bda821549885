import { type ChildProcess, spawn } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { findOnPath } from './command.js';
import { CliError, exit } from './exit.js';
import { Guard } from './guard.js';
import { descendants } from './processes.js';
import { isTerminal } from './say.js';
import { commandProcess } from './undertaker/command-process.js';
import type { Will } from './undertaker/will.js';

const groupPollMs = 10;

/**
 * The command that runs under the lock, and everything that it starts.
 *
 * Without a terminal on standard input it is the leader of a session and process group of its own, and every signal
 * goes to the whole group. With one, it stays in our group: only the terminal's foreground group may read from it, and
 * the terminal itself sends that group Ctrl-C, Ctrl-\ and Ctrl-Z. Our group may hold others (`holdfast … | less`), so
 * there signals go to the command, and the final kill to its descendants, one by one.
 */
export class Child {
  /** The exit status as a shell gives it. */
  readonly exited: Promise<number>;
  readonly ownGroup: boolean;
  readonly #process: ChildProcess;
  readonly #guard: Guard;
  #killed = false;

  /** @param will how the lease is given back if we die before the command */
  constructor(command: readonly string[], env: NodeJS.ProcessEnv, will: Will) {
    this.ownGroup = !isTerminal(0);
    this.#guard = new Guard(will);
    const [file = '', ...args] = [...diesWithParent(), ...command];
    try {
      this.#process = spawn(file, args, { stdio: 'inherit', env, detached: this.ownGroup });
    } catch (error) {
      void this.#guard.dismiss();
      throw cannotStart(command[0] ?? '', error as Error);
    }
    this.exited = new Promise((resolve, reject) => {
      this.#process.once('error', (error) => reject(cannotStart(command[0] ?? '', error)));
      this.#process.once('exit', (code, signal) => resolve(code ?? exit.signalBase + signalNumber(signal)));
    });
    // Nobody may be listening yet when it cannot be started.
    this.exited.catch(() => {});
    const { pid } = this.#process;
    if (pid !== undefined) this.#guard.watch(commandProcess(pid, this.ownGroup));
  }

  /** Hands a signal on to the command's group, or to the command where it shares ours. */
  signal(signal: NodeJS.Signals): void {
    const { pid } = this.#process;
    if (pid === undefined) return;
    if (this.ownGroup) send(-pid, signal);
    else this.#process.kill(signal);
  }

  /** Asks everything that was started to end. */
  terminate(): void {
    this.signal('SIGTERM');
    // A stopped process gets no signal but this one.
    this.signal('SIGCONT');
  }

  /** Ends everything that was started. */
  kill(): void {
    const { pid } = this.#process;
    if (pid === undefined) return;
    this.#killed = true;
    const below = this.ownGroup ? [] : descendants(pid);
    this.signal('SIGKILL');
    for (const each of below) send(each, 'SIGKILL');
  }

  /**
   * Waits until nothing of the group is left, which may be after the end of the command itself. After a kill the rest is
   * the kernel's: what still shows then are dead processes that nobody collects, as in a container without an init.
   */
  async groupGone(): Promise<void> {
    const { pid } = this.#process;
    let pollsAfterKill = 10;
    while (this.ownGroup && pid !== undefined && send(-pid, 0)) {
      if (this.#killed && pollsAfterKill-- === 0) return;
      await new Promise((resolve) => setTimeout(resolve, groupPollMs));
    }
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

/** @returns false if there is no such process */
function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/** On Linux the kernel ends the command in the same moment as us. (Busybox has a `setpriv` too, which cannot do it.) */
function diesWithParent(): readonly string[] {
  if (process.platform !== 'linux') return [];
  const setpriv = findOnPath('setpriv');
  if (setpriv === undefined || path.basename(setpriv) !== 'setpriv') return [];
  return [setpriv, '--pdeathsig', 'KILL', '--'];
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
