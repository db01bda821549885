import { limits } from '../../core/limits.js';

/** A string of RFC 8941 (structured fields), which is what the IETF's draft of the `Idempotency-Key` header asks for. */
const quoted = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/;
/** What nearly every client sends instead: a UUID or the like, without quotes. No comma and no space: two keys are none. */
const bare = /^[A-Za-z0-9_.:~+/=-]+$/;

/**
 * The key in a header, or undefined if it is malformed. `"abc"` and `abc` are the same key. Parameters after the string, and a header that
 * is there twice, are malformed.
 */
export function parseKey(text: string, bareKeys: boolean): string | undefined {
  const key = quoted.exec(text)?.[1]?.replace(/\\(["\\])/g, '$1') ?? (bareKeys && bare.test(text) ? text : undefined);
  return key === undefined || key === '' || key.length > limits.idempotencyKeyCharsMax ? undefined : key;
}
