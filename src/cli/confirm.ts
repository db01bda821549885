import process from 'node:process';
import { createInterface } from 'node:readline';
import { usage } from './exit.js';
import { printable } from './printable.js';
import { isTerminal } from './say.js';

/** Whether somebody sits there who can be asked: a script is not kept waiting for an answer that nobody gives. */
export function canAsk(): boolean {
  if (!isTerminal(0)) return false;
  if (!isTerminal(2)) throw usage('there is no terminal to ask on: add --yes if you are sure');
  return true;
}

/** Anything but a clear yes is a no: an empty line, the end of the input, Ctrl-C. */
export function confirm(question: string): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  return new Promise((resolve) => {
    let answer = false;
    lines.once('close', () => resolve(answer));
    lines.once('SIGINT', () => {
      process.stderr.write('\n');
      lines.close();
    });
    lines.question(`${printable(question)} [y/N] `, (line) => {
      answer = /^y(?:es)?$/i.test(line.trim());
      lines.close();
    });
  });
}
