import { type ChildProcess, spawn } from 'node:child_process';

/**
 * Ends the command's process group when this process is gone, however it went (`kill -9`, out of memory): a shell that
 * reads from a pipe whose other end only we hold, and so learns of our end from the kernel. `setpriv` does the same
 * for the command itself, but not for what the command started, and not outside of Linux.
 */
export class Guard {
  readonly #shell: ChildProcess;

  constructor(processGroup: number) {
    const script = 'trap "" HUP INT QUIT TERM; read -r _; kill -KILL "-$1"';
    this.#shell = spawn('/bin/sh', ['-c', script, 'holdfast-guard', String(processGroup)], {
      stdio: ['pipe', 'ignore', 'ignore'],
      // Out of reach of the terminal's signals, and of those sent to our own group.
      detached: true,
    });
    // Without a shell there is no guard; the command runs all the same.
    this.#shell.on('error', () => {});
    this.#shell.stdin?.on('error', () => {});
    this.#shell.unref();
  }

  /** The command is over: the guard must not outlive it, its number could be given to another group. */
  dismiss(): void {
    this.#shell.kill('SIGKILL');
  }
}
