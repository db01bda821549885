import { fenceMax } from '../../core/fence.js';

/** The request header that carries a fence, in decimal digits. */
export const tokenHeader = 'Fencing-Token';

/** No sign, no space, no leading zero; nineteen digits hold 2^63 − 1. */
const digits = /^[1-9][0-9]{0,18}$/;

/**
 * The fence in a header, or undefined if it is none. Node and `Headers` join a repeated header with commas: so two of them are
 * refused, also where they are equal.
 */
export function parseToken(text: string): bigint | undefined {
  if (!digits.test(text)) return undefined;
  const fence = BigInt(text);
  return fence <= fenceMax ? fence : undefined;
}
