import os from 'node:os';
import process from 'node:process';
import { exit } from '../exit.js';
import { isTerminal, print } from '../say.js';

/** The other screen, without a cursor, and lines that are too long are cut. */
const enter = '\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J';
const leave = '\x1b[?7h\x1b[?25h\x1b[?1049l';
const home = '\x1b[H';
const toLineEnd = '\x1b[K';
const toScreenEnd = '\x1b[J';

const ctrlC = '\x03';
const ctrlZ = '\x1a';

const ending = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/** A terminal that is drawn over, and is given back as it was, whatever ends this process but a SIGKILL. */
export class Screen {
  /** Aborted when a person or a signal wants the end. */
  readonly ended = new AbortController();
  /** What to exit with then: a person who has seen enough is no failure. */
  status: number = exit.ok;
  #redraw = () => {};
  #entered = false;

  /** @param redraw when there is another amount of room, or the screen has to be drawn anew */
  open(redraw: () => void): void {
    this.#redraw = redraw;
    for (const signal of ending) process.on(signal, () => this.#end(signal));
    process.on('SIGTSTP', () => this.#stop());
    process.on('SIGCONT', () => this.#again());
    process.on('exit', () => this.close());
    process.stdout.on('resize', () => this.#resized());
    process.stdin.on('data', (keys) => this.#typed(String(keys)));
    this.#enter();
  }

  get lines(): number {
    return process.stdout.rows || 24;
  }

  /** Drawn over the old picture and not after clearing it, which would flicker. */
  draw(text: string): void {
    if (!this.#entered) return;
    const lines = text.split('\n').slice(0, this.lines - 1);
    print(`${home}${lines.map((line) => `${line}${toLineEnd}\n`).join('')}${toScreenEnd}`);
  }

  close(): void {
    if (!this.#entered) return;
    this.#entered = false;
    this.#raw(false);
    process.stdin.pause();
    try {
      print(leave);
    } catch {
      // The terminal is gone.
    }
  }

  #enter(): void {
    if (this.#entered || this.ended.signal.aborted) return;
    this.#entered = true;
    this.#raw(true);
    process.stdin.resume();
    print(enter);
    this.#redraw();
  }

  /** Whoever stopped us may have made another terminal of it. */
  #again(): void {
    this.#entered = false;
    this.#enter();
  }

  #resized(): void {
    if (!this.#entered) return;
    print('\x1b[2J');
    this.#redraw();
  }

  #end(signal: NodeJS.Signals): void {
    if (signal !== 'SIGINT') this.status = exit.signalBase + os.constants.signals[signal];
    this.ended.abort();
  }

  #stop(): void {
    this.close();
    process.kill(process.pid, 'SIGSTOP');
  }

  #typed(keys: string): void {
    if (keys.includes(ctrlZ)) this.#stop();
    if (keys.includes('q') || keys.includes(ctrlC)) this.#end('SIGINT');
  }

  /** Typed keys are not shown, and come at once. */
  #raw(yes: boolean): void {
    if (isTerminal(0)) process.stdin.setRawMode(yes);
  }
}
