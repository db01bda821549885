import { readdirSync, readFileSync } from 'node:fs';
import type { Scene } from '../../cli/support/program.js';

function wordsOf(file: string): readonly string[] {
  try {
    return readFileSync(file, 'utf8').split('\0');
  } catch {
    // The process has ended meanwhile.
    return [];
  }
}

/** Processes of the drills of one scene: its workers, and whoever keeps one of them stopped. */
export function drillProcesses(scene: Scene): readonly number[] {
  const pids = readdirSync('/proc').filter((entry) => /^[0-9]+$/.test(entry));
  return pids
    .filter((pid) => wordsOf(`/proc/${pid}/cmdline`).some((word) => /\/drill\/worker\/main\.js$|^holdfast-drill$/.test(word)))
    .filter((pid) => wordsOf(`/proc/${pid}/environ`).includes(`HOLDFAST_BACKEND=${scene.backend}`))
    .map(Number);
}

/** What stays of a drill in the store, as another process sees it. */
export async function leftInStore(scene: Scene): Promise<readonly unknown[]> {
  const { held, waiting } = JSON.parse((await scene.outcome(['query', '--json', 'holdfast-drill:'])).stdout);
  return [...held, ...waiting];
}
