import { createRequire } from 'node:module';
import process from 'node:process';
import { NotSupportedError } from '../../core/errors.js';

/** What is bound, by the names in the text. Integers may be numbers; a fence beyond 2^53 goes in and comes out as text. */
export type Bound = Readonly<Record<string, string | number | null>>;
export type Row = Record<string, unknown>;

type Value = string | number | null;

/** The subset of a prepared statement that is used. Values are bound by position: by name costs libsql a look-up each. */
export interface Statement {
  run(...values: Value[]): { readonly changes: number | bigint };
  get(...values: Value[]): Row | undefined;
  all(...values: Value[]): Row[];
}

/** The subset of `node:sqlite` and of better-sqlite3's API that is used. Synchronous: nothing else happens in between. */
export interface Connection {
  exec(sql: string): unknown;
  prepare(sql: string): Statement;
  close(): unknown;
}

export interface Driver {
  readonly name: 'node:sqlite' | 'libsql';
  /** Opens without waiting for other processes' locks. */
  open(path: string): Connection;
}

type Constructor = new (path: string, options: { timeout: number }) => Connection;

/** `node:sqlite` where this Node has it, else the optional package `libsql`. */
export function loadDriver(): Driver {
  const BuiltIn = loadBuiltIn();
  if (BuiltIn !== undefined) return driver('node:sqlite', BuiltIn);
  return driver('libsql', loadLibsql());
}

function driver(name: Driver['name'], Database: Constructor): Driver {
  return { name, open: (path) => new Database(path, { timeout: 0 }) };
}

/** Its "experimental" warning is for people who chose to import it; ours did not. */
function loadBuiltIn(): Constructor | undefined {
  const load = (process as { getBuiltinModule?: (id: string) => unknown }).getBuiltinModule;
  if (load === undefined) return undefined;
  const emitWarning = process.emitWarning;
  process.emitWarning = () => {};
  try {
    return (load('node:sqlite') as { DatabaseSync: Constructor } | undefined)?.DatabaseSync;
  } finally {
    process.emitWarning = emitWarning;
  }
}

function loadLibsql(): Constructor {
  try {
    return createRequire(import.meta.url)('libsql') as Constructor;
  } catch (cause) {
    throw new NotSupportedError(
      `this Node (${process.version}) has no node:sqlite and the optional package libsql cannot be loaded: run "npm install libsql", or use Node 22.13 or later`,
      { cause },
    );
  }
}
