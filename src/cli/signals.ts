import process from 'node:process';
import type { Child } from './child.js';

/** Ask for an end, or end a process that does not care: while waiting for the lock they give the ask up. */
const ending = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGALRM', 'SIGVTALRM', 'SIGIO', 'SIGPWR', 'SIGXCPU'] as const;
/** Mean something to the command only. */
const passed = ['SIGUSR1', 'SIGUSR2', 'SIGWINCH'] as const;
/** Sent by the terminal to its whole foreground group: a command in our group has them already. */
const fromTerminal: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT', 'SIGWINCH'];

export interface SignalHandlers {
  /** An ending signal before there is a command. */
  readonly giveUp: (signal: NodeJS.Signals) => void;
  /** We were stopped, and go on: look at the clock before anything else. */
  readonly continued: () => void;
}

/** Takes every signal that would end this process without its command, and hands it on. */
export class SignalRelay {
  child: Child | undefined;
  /** The first ending signal that came before there was a command. */
  gaveUp: NodeJS.Signals | undefined;
  #stopping = false;
  readonly #handlers: SignalHandlers;

  constructor(handlers: SignalHandlers) {
    this.#handlers = handlers;
    for (const signal of ending) process.on(signal, () => this.#end(signal));
    for (const signal of passed) process.on(signal, () => this.#pass(signal));
    process.on('SIGTSTP', () => {
      this.#stopping = true;
      // A SIGCONT that has come meanwhile takes it back, as it does where nobody catches either.
      setImmediate(() => this.#stop());
    });
    process.on('SIGCONT', () => {
      this.#stopping = false;
      this.#handlers.continued();
    });
  }

  #end(signal: NodeJS.Signals): void {
    if (this.child !== undefined) return this.#pass(signal);
    this.gaveUp ??= signal;
    this.#handlers.giveUp(signal);
  }

  #pass(signal: NodeJS.Signals): void {
    if (this.child === undefined) return;
    if (!this.child.ownGroup && fromTerminal.includes(signal)) return;
    this.child.signal(signal);
  }

  /** Ctrl-Z: the command must not go on while nobody renews its lease. */
  #stop(): void {
    if (!this.#stopping) return;
    this.child?.suspend();
    // An outer run may have stopped us in the middle of that, and gone on since: then there is nobody left who would continue us.
    setImmediate(() => {
      if (!this.#stopping) return;
      this.#stopping = false;
      process.kill(process.pid, 'SIGSTOP');
    });
  }
}
