import { shellWord } from '../core/shell-word.js';

/** A user with a password, or a parameter that is one. */
const secret = /\/\/[^/?#@]*:[^/?#]*@|[?&](?:password|pass|token|secret)[^=]*=/i;

/**
 * What a printed command needs to find the store that this one was given: nothing where that is the environment's; a URL with a
 * password is not repeated.
 */
export function backendWords(option: string | undefined): string {
  if (option === undefined) return '';
  return secret.test(option) ? ' --backend "$HOLDFAST_BACKEND"' : ` --backend ${shellWord(option)}`;
}
