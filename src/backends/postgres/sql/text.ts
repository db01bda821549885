import { NotSupportedError } from '../../../core/errors.js';

// Statements go out in the simple protocol, with their values in the text: one round trip with every client, no prepared statement that a
// pooler would have to know, and room for a second statement in front. So quoting is ours. All that is quoted is ASCII:
// no client encoding, and no encoding of the database, can read another character into it.

const printable = /^[\x20-\x7e]*$/;
const needsEscape = /['\\]/;

/** A value in the text of a statement. */
export function literal(value: string | number | boolean | null): string {
  if (value === null) return 'NULL';
  if (typeof value !== 'string') return String(value);
  if (!printable.test(value)) throw new NotSupportedError('only printable ASCII can be sent: encode the text first');
  // E'…' means the same whatever standard_conforming_strings is.
  return needsEscape.test(value) ? `E'${value.replace(/['\\]/g, '$&$&')}'` : `'${value}'`;
}

/** In front of what must not run with the server's defaults, where these are others. */
export const kindOfTransaction = 'SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE; ';

export function textArray(values: readonly string[]): string {
  return `ARRAY[${values.map(literal).join(',')}]::text[]`;
}

/** An identifier, as in `"holdfast"`. */
export function identifier(name: string): string {
  return `"${name.replace(/"/g, '""')}"`;
}

function hex4(char: string): string {
  return char.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0');
}

/** Of an encoded name or value: `decodeName` reads it back, and a prefix of it stays one. Sorts and compares the same in every collation "C". */
export function asciiName(encoded: string): string {
  return printable.test(encoded) ? encoded : encoded.replace(/[^\x20-\x7e]/g, (char) => `%u${hex4(char)}`);
}

/** JSON without a character that an encoding could change. */
export function asciiJson(value: unknown): string {
  const json = JSON.stringify(value);
  return printable.test(json) ? json : json.replace(/[^\x20-\x7e]/g, (char) => `\\u${hex4(char)}`);
}
