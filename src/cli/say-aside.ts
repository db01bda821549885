import { spawn } from 'node:child_process';
import process from 'node:process';
import { sentenceOf } from './say.js';
import { unmarked } from './undertaker/mark.js';

/**
 * One sentence on standard error while a lease is held. A pipe that nobody reads, or a terminal that was stopped, blocks whoever writes to it:
 * here that is a process of its own, because ours has to renew, and to end a command in time.
 */
export function sayAside(sentence: string): void {
  const words = ['-c', 'printf %s "$1" >&2', 'holdfast-says', sentenceOf(sentence)];
  try {
    const shell = spawn('/bin/sh', words, {
      stdio: ['ignore', 'ignore', 2],
      detached: true,
      cwd: '/',
      env: unmarked(process.env),
    });
    // A message must never be what breaks the program.
    shell.on('error', () => {});
    shell.unref();
  } catch {
    // No process is to be had.
  }
}
