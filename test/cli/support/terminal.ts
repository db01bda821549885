import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { program, type Running, type Scene } from './program.js';

/** util-linux's `script` runs a command on a terminal of its own. */
export const hasScript = spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes('util-linux') === true;

/**
 * A terminal that stays open: what is written to `keys` is typed into it. Always with the same shell, whatever the
 * user's is: some of them end of Ctrl-C themselves, after the program that they wait for.
 */
export function onTerminal(scene: Scene, shell: string): Running {
  const fifo = `mkfifo ${scene.file('keys')}; exec 3<>${scene.file('keys')}`;
  const command = `${fifo}; exec script -qefc ${quote(shell)} /dev/null <&3`;
  return scene.start('bash', ['-c', command], { env: { SHELL: '/bin/sh', HF: `${process.execPath} ${program}` } });
}

export function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
