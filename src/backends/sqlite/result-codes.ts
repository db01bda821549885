/** SQLite's primary result codes that mean something to us: https://sqlite.org/rescode.html */
export const code = {
  BUSY: 5,
  LOCKED: 6,
  READONLY: 8,
  IOERR: 10,
  CORRUPT: 11,
  FULL: 13,
  CANTOPEN: 14,
  PROTOCOL: 15,
  CONSTRAINT: 19,
  NOTADB: 26,
} as const;

/** The code of an error thrown by either driver, undefined if it is no error of SQLite's. */
export function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  const { errcode, rawCode, code: name } = error as { errcode?: unknown; rawCode?: unknown; code?: unknown };
  if (typeof errcode === 'number') return errcode & 0xff;
  if (typeof rawCode === 'number') return rawCode & 0xff;
  // libsql: could not open; the number stands at the end of the text only.
  const told = /Unable to open connection to local database .*: (\d+)"\)$/s.exec(error.message)?.[1];
  if (told !== undefined) return Number(told) & 0xff;
  const word = typeof name === 'string' && name.startsWith('SQLITE_') ? name.slice(7) : '';
  return (code as Readonly<Record<string, number>>)[word];
}
