import { NotSupportedError } from '../core/errors.js';
import type { Guard } from '../core/guard.js';

/** A guard on a client of our own, for the command line. */
export interface OpenGuard {
  readonly guard: Guard<unknown>;
  close(): Promise<unknown>;
}

/** A package, if the application has it. */
export async function ifInstalled<T>(load: () => Promise<T>): Promise<T | undefined> {
  try {
    return await load();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

export function notInstalled(name: string): NotSupportedError {
  return new NotSupportedError(`"${name}" is not installed: run "npm install ${name}"`);
}
