import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** Continues the process when its own input ends, so that nobody stays stopped for ever where the drill itself is killed. */
const script = 'kill -STOP "$1" && echo stopped; read _; kill -CONT "$1"';

/** Stops another process with SIGSTOP, until it is thawed or the drill is no more. */
export class Freezer {
  readonly #shell: ChildProcess;

  private constructor(shell: ChildProcess) {
    this.#shell = shell;
  }

  /** Resolves when the process stands still. @throws Error if it cannot be stopped */
  static async freeze(pid: number): Promise<Freezer> {
    const words = ['-c', script, 'holdfast-drill', String(pid)];
    // In a session of its own: a Ctrl-C is for the drill, which cleans up.
    const shell = spawn('sh', words, { stdio: ['pipe', 'pipe', 'ignore'], detached: true });
    const stopped = await Promise.race([
      once(shell.stdout, 'data').then(() => true),
      once(shell, 'exit').then(() => false),
      once(shell, 'error').then(() => false),
    ]);
    if (!stopped) throw new Error(`process ${pid} could not be stopped: is there a shell on PATH, and are signals allowed?`);
    return new Freezer(shell);
  }

  async thaw(): Promise<void> {
    if (this.#shell.exitCode !== null || this.#shell.signalCode !== null) return;
    const exited = once(this.#shell, 'exit');
    this.#shell.stdin?.end();
    await exited;
  }
}
