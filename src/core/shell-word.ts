/** What a terminal, or `printable` on the way to it, would change: control characters, and what turns the direction of writing. */
const unseen = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/;
const escaped = new RegExp(`${unseen.source}|['\\\\]`, 'g');

/** One word for a shell, exactly as it is; with characters that are not seen, for bash and its like. */
export function shellWord(text: string): string {
  if (/^[\w@%+=:,./-]+$/.test(text)) return text;
  if (!unseen.test(text)) return `'${text.replaceAll("'", `'\\''`)}'`;
  return `$'${text.replaceAll(escaped, bytesOf)}'`;
}

/** Byte by byte: `\u` would depend on the locale. */
function bytesOf(char: string): string {
  return [...Buffer.from(char)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
}
