import { type ChildProcess, spawn } from 'node:child_process';
import process from 'node:process';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { type CommandProcess, writtenCommand } from './undertaker/command-process.js';
import { type Will, writtenWill } from './undertaker/will.js';

/**
 * Standard input is a pipe whose other end only we hold: it ends when we do. Its first line is the command; without one, our
 * death came while it was being started, and whatever may run of it is for the TTL. A second line says that it is over.
 *
 * It is not killed if its pid has meanwhile gone to a process with another start time.
 */
const script = `
trap "" HUP INT QUIT TERM
started_at() {
  read -r stat <"/proc/$1/stat"
  set -- \${stat##*) }
  echo "\${20}"
}
node=$1 undertaker=$2
read -r target session started || exit
if read -r _; then
  read -r _
  set --
else
  now=$(started_at "\${target#-}")
  [ "\${now:-$started}" = "\${started:-$now}" ] && kill -KILL "$target"
  set -- "$target" "$session" "$started"
fi
[ -z "$node" ] || exec "$node" "$undertaker" "$@" <&3
`;

const undertaker = fileURLToPath(new URL('./undertaker/main.js', import.meta.url));

/**
 * Ends the command when this process is gone, however it went (`kill -9`, out of memory): a shell that learns of our end
 * from the kernel. `setpriv` does the same for the command itself, but not for what the command started, and not outside of
 * Linux. With a will, the shell then becomes the undertaker, which gives the lease back.
 *
 * It is a shell until then, because one costs 3 ms and a megabyte and is needed once in ten thousand runs; the undertaker
 * costs seventy times that. The will lies in a pipe of its own until somebody needs it.
 */
export class Guard {
  readonly #shell: ChildProcess;

  /** To be made before the command is started, so that there is no moment in which it runs unwatched. */
  constructor(will: Will | undefined) {
    const heir = will === undefined ? [] : [process.execPath, undertaker];
    this.#shell = spawn('/bin/sh', ['-c', script, 'holdfast-guard', ...heir], {
      stdio: ['pipe', 'ignore', 'ignore', 'pipe'],
      // Out of reach of the terminal's signals, and of those sent to our own group.
      detached: true,
      cwd: '/',
    });
    // Without a shell there is no guard; the command runs all the same.
    this.#shell.on('error', () => {});
    this.#shell.stdin?.on('error', () => {});
    const pipe = this.#shell.stdio[3] as Duplex | null | undefined;
    pipe?.on('error', () => {});
    pipe?.end(will === undefined ? '' : writtenWill(will));
    this.#shell.unref();
  }

  watch(command: CommandProcess): void {
    this.#shell.stdin?.write(`${writtenCommand(command)}\n`);
  }

  /** The command is over by itself: nobody is to be killed, its number could be given to another. */
  commandOver(): void {
    this.#shell.stdin?.write('over\n');
  }

  /** The lease is over too, and with it the guard. */
  dismiss(): void {
    this.#shell.kill('SIGKILL');
  }
}
