import { existsSync, readdirSync, readFileSync } from 'node:fs';

function wordsOf(file: string): readonly string[] {
  try {
    return readFileSync(file, 'utf8').split('\0');
  } catch {
    // The process has ended meanwhile, or there is no /proc.
    return [];
  }
}

function isUndertaker(pid: string): boolean {
  return wordsOf(`/proc/${pid}/cmdline`).some((word) => word === 'holdfast-guard' || word.endsWith('/undertaker/main.js'));
}

/** Those of one store who wait for a holder's death, or were left behind by it. */
export function undertakers(backend: string): readonly number[] {
  if (!existsSync('/proc/self/environ')) return [];
  const pids = readdirSync('/proc').filter((entry) => /^[0-9]+$/.test(entry));
  return pids
    .filter((pid) => isUndertaker(pid) && wordsOf(`/proc/${pid}/environ`).includes(`HOLDFAST_BACKEND=${backend}`))
    .map(Number);
}
