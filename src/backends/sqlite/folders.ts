import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes a folder and those above it, for their owner only. Not with `recursive`: Node tries for ever, and lets nothing
 * interrupt it, where a file system says of a new folder that it does not exist (/proc does).
 *
 * @throws Node's error, whose `path` is the folder that cannot be made
 */
export function makeFolders(folder: string): void {
  if (existsSync(folder)) return;
  const above = dirname(folder);
  if (above !== folder) makeFolders(above);
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    // Another process was quicker.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
