import { accessSync, constants, readFileSync, realpathSync, statSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { CliError, exit } from './exit.js';

type Found = 'executable' | 'not executable' | 'absent';

function look(file: string): Found {
  try {
    if (statSync(file).isDirectory()) return 'not executable';
  } catch {
    return 'absent';
  }
  try {
    accessSync(file, constants.X_OK);
    return 'executable';
  } catch {
    return 'not executable';
  }
}

function candidates(name: string): readonly string[] {
  if (name.includes('/')) return [name];
  // An empty entry of PATH stands for the current directory.
  const directories = (process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin').split(':');
  return directories.map((directory) => path.join(directory === '' ? '.' : directory, name));
}

/**
 * Finds the command as a shell would, before the lock is asked for: a typing error should not wait in a queue.
 *
 * @throws CliError with 127 if there is none, 126 if it cannot be executed
 */
export function checkCommand(name: string): void {
  if (name === '') throw new CliError(exit.notFound, 'the command is empty: is a variable unset?');
  const found = candidates(name).map(look);
  if (found.includes('executable')) return;
  if (found.includes('not executable')) throw new CliError(exit.notExecutable, `${name}: it is not executable (chmod +x?)`);
  const where = name.includes('/') ? 'no such file' : 'command not found on PATH';
  throw new CliError(exit.notFound, `${name}: ${where}`);
}

/**
 * Node takes arguments for UTF-8, and what is none would arrive as something else: under another file's name, say.
 *
 * @throws CliError with 64
 */
export function checkArguments(argv: readonly string[]): void {
  if (!argv.some((word) => word.includes('\ufffd'))) return;
  const bytes = commandLine();
  if (bytes === undefined || bytes.equals(Buffer.from(bytes.toString('utf8')))) return;
  const mend = 'have a script put them together, and run the script';
  throw new CliError(exit.usage, `an argument is not UTF-8, and would reach the command as something else: ${mend}`);
}

/** As the kernel has it; undefined outside of Linux. */
function commandLine(): Buffer | undefined {
  try {
    return readFileSync('/proc/self/cmdline');
  } catch {
    return undefined;
  }
}

/** The first such program on PATH, with symbolic links followed. */
export function findOnPath(name: string): string | undefined {
  const file = candidates(name).find((candidate) => look(candidate) === 'executable');
  try {
    return file === undefined ? undefined : realpathSync(file);
  } catch {
    return undefined;
  }
}
