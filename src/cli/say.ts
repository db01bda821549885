import { writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { printable } from './printable.js';

/*
 * `process.stderr` and `process.stdout` are not touched while a command runs: opening them would switch a pipe that
 * the command inherits to non-blocking, and its writes would fail with EAGAIN.
 */

function write(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      // Somebody else made the pipe non-blocking and it is full: give the reader a moment.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

/** A sentence as it is said: one line, whatever names it has in it. */
export function sentenceOf(sentence: string): string {
  return `holdfast: ${printable(sentence)}\n`;
}

/** One sentence on standard error, which may block: not while a lease is held. A message must never be what breaks the program. */
export function say(sentence: string): void {
  try {
    write(2, sentenceOf(sentence));
  } catch {
    // Nobody reads it any more.
  }
}

/** @throws ErrnoException `EPIPE` if the reader has gone */
export function print(text: string): void {
  write(1, text);
}

/** Progress, for a terminal: no line of its own, and nothing is lost with it. */
export function hint(text: string): void {
  try {
    write(2, text);
  } catch {
    // Nobody reads it any more.
  }
}

export function isTerminal(fd: 0 | 1 | 2): boolean {
  return isatty(fd);
}

/** Colour only for a person who did not ask to be spared (no-color.org). */
export function wantsColour(): boolean {
  const off = process.env['NO_COLOR'];
  return isTerminal(1) && (off === undefined || off === '') && process.env['TERM'] !== 'dumb';
}
