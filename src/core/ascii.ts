// Texts that no client encoding and no encoding of a database can change: all of it printable ASCII.

const printable = /^[\x20-\x7e]*$/;

function hex4(char: string): string {
  return char.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0');
}

export function isPrintable(text: string): boolean {
  return printable.test(text);
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
