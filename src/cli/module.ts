import { statSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { messageOf } from '../core/calls.js';
import { type CliError, usage } from './exit.js';

/** A module of the user's: where it is, as workers need it, and what it exports. */
export interface Loaded {
  readonly url: string;
  readonly exports: Readonly<Record<string, unknown>>;
}

/** @throws CliError */
export async function loadModule(file: string): Promise<Loaded> {
  const at = path.resolve(file);
  mustBeFile(file, at);
  const url = pathToFileURL(at).href;
  try {
    return { url, exports: (await import(url)) as Record<string, unknown> };
  } catch (cause) {
    throw notLoaded(file, messageOf(cause), 'check what it imports, and does on being loaded');
  }
}

/** Of one that is none Node would say so in the name of our file that imports it. */
function mustBeFile(file: string, at: string): void {
  let isFile: boolean | undefined;
  try {
    isFile = statSync(at, { throwIfNoEntry: false })?.isFile();
  } catch (cause) {
    throw notLoaded(file, messageOf(cause), 'check the path');
  }
  if (isFile !== true) throw notLoaded(file, isFile === false ? 'it is no file' : 'there is no such file', 'check the path');
}

function notLoaded(file: string, why: string, whatToDo: string): CliError {
  return usage(`${file} cannot be loaded: ${why}: ${whatToDo}`);
}
