import { Buffer } from 'node:buffer';
import { InvalidArgumentError } from './errors.js';
import { limits } from './limits.js';

/** A checked lock name: what the caller wrote, and a well-formed text without control characters that stores can hold. */
export interface LockName {
  readonly text: string;
  /** Injective encoding of `text`, at most `limits.nameBytesMax` bytes of UTF-8. */
  readonly encoded: string;
}

/** `%`, control characters, and halves of a surrogate pair that stand alone. */
const unsafe = /[%\u0000-\u001f\u007f]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
/** Printable ASCII without `%`: nearly every name, and nothing to do. */
const plain = /^[\x20-\x24\x26-\x7e]*$/;
const escaped = /%u([0-9A-F]{4})|%([0-9A-F]{2})/g;

/** Upper-case hex digits, as in escapes. */
function hex(code: number, digits: number): string {
  return code.toString(16).toUpperCase().padStart(digits, '0');
}

/** Encodes without loss: two different strings never give the same text, and a prefix's encoding is a prefix of the encoding. */
export function encodeName(text: string): string {
  if (plain.test(text)) return text;
  return text.replace(unsafe, (char) => {
    const code = char.charCodeAt(0);
    return code > 0xff ? `%u${hex(code, 4)}` : `%${hex(code, 2)}`;
  });
}

export function decodeName(encoded: string): string {
  return encoded.replace(escaped, (_, wide: string | undefined, narrow: string | undefined) =>
    String.fromCharCode(Number.parseInt(wide ?? narrow ?? '', 16)),
  );
}

/**
 * Checks the length. (A leading `-` is refused where the Web Locks specification wants it checked, in `options.ts`.)
 *
 * @throws InvalidArgumentError if the encoded name is longer than `limits.nameBytesMax`
 */
export function parseName(text: string): LockName {
  const encoded = encodeName(text);
  const bytes = encoded.length > limits.nameBytesMax ? encoded.length : Buffer.byteLength(encoded);
  if (bytes > limits.nameBytesMax) {
    throw new InvalidArgumentError(
      `a lock name may take ${limits.nameBytesMax} bytes, "${text.slice(0, 40)}…" takes ${bytes}: use a shorter name, or a digest of it`,
    );
  }
  return { text, encoded };
}
