import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CommandProcess, writtenCommand } from './undertaker/command-process.js';
import { undertaker, unmarked } from './undertaker/mark.js';
import { type Will, writtenWill } from './undertaker/will.js';

/** How long a killed shell may take to end. */
const collectMsMax = 50;
/** Until the first successor; twice as long with each: where none can live, starting one again and again must cost nothing. */
const successorMsMin = 100;
const successorMsMax = 60_000;

/**
 * Standard input is a pipe whose other end only we hold: it ends when we do. Its first line is the command; without one, our
 * death came while it was being started, and the undertaker looks for it. A second line says that it is over.
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
node=$1 undertaker=$2 cwd=$3 gives_back=$4 told=$5
if [ -z "$told" ] && ! read -r told; then
  set -- unknown
elif read -r _; then
  read -r _
  [ -n "$gives_back" ] || exit
  set -- over
else
  set -- $told
  target=$1 session=$2 started=$3
  now=$(started_at "\${target#-}")
  [ "\${now:-$started}" = "\${started:-$now}" ] && kill -KILL "$target"
  set -- "$target" "$session" "$started"
fi
# The environment may name files by relative paths.
cd -- "$cwd" 2>/dev/null
exec "$node" "$undertaker" "$@" <&3 3<&-
`;

/**
 * Ends the command when this process is gone, however it went (`kill -9`, out of memory): a shell that learns of our end
 * from the kernel. `setpriv` does the same for the command itself, but not for what the command started, and not outside of
 * Linux. The shell then becomes the undertaker, which ends what is left of it and gives the lease back.
 *
 * It is a shell until then, because one costs 3 ms and a megabyte and is needed once in ten thousand runs; the undertaker
 * costs seventy times that. The will lies in a pipe of its own until somebody needs it.
 */
export class Guard {
  readonly #will: Will;
  #shell: ChildProcess | undefined;
  /** What it was told, line by line. */
  #told = '';
  #dismissed = false;
  #successorMs = successorMsMin;

  /** To be made before the command is started, so that there is no moment in which it runs unwatched. */
  constructor(will: Will) {
    this.#will = will;
    this.#start();
  }

  watch(command: CommandProcess): void {
    this.#tell(`${writtenCommand(command)}\n`);
  }

  /** The command is over by itself: nobody is to be killed, its number could be given to another. */
  commandOver(): void {
    this.#tell('over\n');
  }

  #tell(line: string): void {
    this.#told += line;
    this.#shell?.stdin?.write(line);
  }

  /** One that somebody kills has a successor, and so has one that could not be started. */
  #start(): void {
    const [command = '', ...later] = this.#told.split('\n');
    // A successor is told with its first breath: there is no moment in which it knows nothing.
    const shell = startShell(this.#will, command);
    this.#shell = shell;
    // One that could not be started has no end.
    const onError = shell?.pid === undefined;
    if (shell === undefined) this.#startLater();
    else shell.once(onError ? 'error' : 'exit', () => this.#startLater());
    if (later.length > 1) shell?.stdin?.write(later.join('\n'));
  }

  #startLater(): void {
    if (this.#dismissed) return;
    setTimeout(() => !this.#dismissed && this.#start(), this.#successorMs).unref();
    this.#successorMs = Math.min(2 * this.#successorMs, successorMsMax);
  }

  /** The lease is over too, and with it the guard. Collected by us where that is possible: not every container has an init that does. */
  async dismiss(): Promise<void> {
    this.#dismissed = true;
    const shell = this.#shell;
    if (shell?.pid === undefined || shell.exitCode !== null || shell.signalCode !== null) return;
    const gone = once(shell, 'exit');
    shell.kill('SIGKILL');
    await Promise.race([gone, sleep(collectMsMax)]);
  }
}

/** Undefined if there is none to be had now: then there is no guard, and the command runs all the same. */
function startShell(will: Will, command: string): ChildProcess | undefined {
  const words = [process.execPath, undertaker, cwd(), will.lease === undefined ? '' : 'gives back', command];
  try {
    const shell = spawn('/bin/sh', ['-c', script, 'holdfast-guard', ...words], {
      stdio: ['pipe', 'ignore', 'ignore', 'pipe'],
      // Out of reach of the terminal's signals, and of those sent to our own group.
      detached: true,
      cwd: '/',
      // Of a run inside another one: whoever ends what is left of that one would end this guard, too.
      env: unmarked(process.env),
    });
    shell.on('error', () => {});
    shell.stdin?.on('error', () => {});
    // None of the pipes is there if the machine has no room for them.
    const pipe = shell.stdio?.[3] as Duplex | null | undefined;
    pipe?.on('error', () => {});
    pipe?.end(writtenWill(will));
    shell.unref();
    return shell;
  } catch {
    return undefined;
  }
}

/** Our folder may be gone. */
function cwd(): string {
  try {
    return process.cwd();
  } catch {
    return '/';
  }
}
