import { isPrintable } from '../../../core/ascii.js';
import { NotSupportedError } from '../../../core/errors.js';

// Statements go out in the simple protocol, with their values in the text: one round trip with every client, no prepared statement that a
// pooler would have to know, and room for a second statement in front. So quoting is ours. All that is quoted is ASCII:
// no client encoding, and no encoding of the database, can read another character into it.

const needsEscape = /['\\]/;

/** A value in the text of a statement. */
export function literal(value: string | number | boolean | null): string {
  if (value === null) return 'NULL';
  if (typeof value !== 'string') return String(value);
  if (!isPrintable(value)) throw new NotSupportedError('only printable ASCII can be sent: encode the text first');
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
