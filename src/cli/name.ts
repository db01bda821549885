import { parseName } from '../core/name.js';
import { usage } from './exit.js';

/**
 * A lock name from a command line. The library allows an empty one; here it is nearly always an unset variable, and
 * all scripts with that mistake would share one lock.
 */
export function cliName(text: string | undefined, command: string): string {
  if (text === undefined) throw usage(`NAME is missing (is a variable unset?): holdfast ${command}`);
  if (text === '') throw usage('the lock name is empty: is a variable unset?');
  if (text.startsWith('-')) throw usage(`a lock name may not start with "-": ${text}`);
  return parseName(text).text;
}
