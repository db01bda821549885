import { execFile } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import { findOnPath } from './command.js';

const tryMsMax = 1_000;

/**
 * What to put in front of a command so that, on Linux, the kernel ends it in the same moment as us. Nothing where there is no `setpriv`
 * that can: Busybox has one of that name, and older ones of util-linux (before 2.33) do not know the option.
 */
export function diesWithParent(): Promise<readonly string[]> {
  if (process.platform !== 'linux') return Promise.resolve([]);
  const setpriv = findOnPath('setpriv');
  if (setpriv === undefined || path.basename(setpriv) !== 'setpriv') return Promise.resolve([]);
  const words = ['--pdeathsig', 'KILL', '--'];
  return new Promise((resolve) => {
    // Without our environment: that one may be too large for the system, and whoever starts the command says so.
    execFile(setpriv, [...words, '/bin/sh', '-c', ':'], { timeout: tryMsMax, env: {} }, (error) => {
      resolve(error === null ? [setpriv, ...words] : []);
    });
  });
}
