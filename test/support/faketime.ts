import { spawnSync } from 'node:child_process';

/**
 * The library that the `faketime` command preloads; undefined where it is not installed. The command itself is not to be used where processes
 * are killed: it leaves a semaphore behind then, by the number of its process, and whoever gets that number again cannot start.
 */
export const faketimeLibrary = find();

function find(): string | undefined {
  const { status, stdout } = spawnSync('faketime', ['-f', '+0s', 'sh', '-c', 'echo "$LD_PRELOAD"'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim().split(':').pop() : undefined;
}
