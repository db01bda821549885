import process from 'node:process';
import type { Child } from './child.js';

/** Ask for an end: while waiting for the lock they give the ask up. */
const ending = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;
/** Mean something to the command only. */
const passed = ['SIGUSR1', 'SIGUSR2', 'SIGWINCH', 'SIGALRM', 'SIGVTALRM', 'SIGIO', 'SIGPWR', 'SIGXCPU'] as const;
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
  readonly #handlers: SignalHandlers;

  constructor(handlers: SignalHandlers) {
    this.#handlers = handlers;
    for (const signal of ending) process.on(signal, () => this.#end(signal));
    for (const signal of passed) process.on(signal, () => this.#pass(signal));
    process.on('SIGTSTP', () => this.#stop());
    process.on('SIGCONT', () => this.#handlers.continued());
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
    this.child?.suspend();
    process.kill(process.pid, 'SIGSTOP');
  }
}
