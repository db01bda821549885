import { messageOf } from '../../core/calls.js';
import {
  BackendCorruptError,
  BackendUnavailableError,
  HoldfastError,
  NotSupportedError,
  OutcomeUnknownError,
} from '../../core/errors.js';
import { NotSentError } from './driver.js';

/** What an error of a client or server means for the statement that met it. */
export type Verdict =
  /** The schema, a table or a function is not there. */
  | 'missing'
  /** The transaction was of the wrong kind: to be sent again with its kind in front. */
  | 'wrong-kind'
  /** Nothing was done; it may pass by itself. */
  | 'refused'
  /** It may have been done. */
  | 'unknown'
  /** Nothing was done, and asking again cannot help. */
  | 'permanent';

/** undefined_function, undefined_table, invalid_schema_name, undefined_object (a type). */
const missing = new Set(['42883', '42P01', '3F000', '42704']);

/** SQLSTATEs that a second try cannot change, and what does. */
const lasting: readonly (readonly [pattern: RegExp, fix: string])[] = [
  [/^28/, 'give the client the right user and password, and let pg_hba.conf allow it'],
  [/^3D000$/, 'connect to a database that is there'],
  [
    /^42501$/,
    'let an owner of the tables run: GRANT USAGE ON SCHEMA holdfast TO …; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA holdfast TO …;',
  ],
  [/^(?:42|0A)/, 'use PostgreSQL 13 or later; if it is, report this as a defect'],
  [/^22/, 'report this as a defect'],
];

const diskFull = '53100';

/** What to do about errors that mostly pass by themselves, where one did not. */
const advice: readonly (readonly [code: string, fix: string])[] = [
  [
    '55P03',
    'another session has the row of this name locked, or its table: look in pg_stat_activity for one that is "idle in transaction", or that changes tables',
  ],
  ['57014', 'statement_timeout of this role is too short, or somebody cancelled it'],
  ['53300', 'the server has no connection left: raise max_connections, or put a pooler in front'],
  [diskFull, 'the disk of the server is full'],
  ['25006', 'this server is a read replica, or its transactions are read-only: connect to the primary'],
  ['57P03', 'the server is starting up or shutting down'],
];

export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** Five characters that the server chose; codes of Node (`EPIPE` is one of five, too) and of client libraries are something else. */
export function sqlStateOf(error: unknown): string | undefined {
  const code = codeOf(error);
  const said = error as { severity?: unknown; severity_local?: unknown };
  return code !== undefined && /^[0-9A-Z]{5}$/.test(code) && (said.severity ?? said.severity_local) !== undefined
    ? code
    : undefined;
}

export function verdictOf(error: unknown): Verdict {
  if (error instanceof NotSentError) {
    const cause = sqlStateOf(error.cause);
    return cause !== undefined && isLasting(cause) ? 'permanent' : 'refused';
  }
  if (error instanceof BackendUnavailableError) return error.permanent ? 'permanent' : 'refused';
  const state = sqlStateOf(error);
  if (state === undefined) return 'unknown';
  if (missing.has(state)) return 'missing';
  if (state === 'HF001' || state === '25006') return 'wrong-kind';
  // The server, or a pooler, ended the connection: perhaps after the commit.
  if (/^(?:08|57P01|57P02|57P05)/.test(state)) return 'unknown';
  return isLasting(state) ? 'permanent' : 'refused';
}

function isLasting(state: string): boolean {
  return lasting.some(([pattern]) => pattern.test(state));
}

/** A server in recovery refuses even to be asked for a transaction that writes: the same as when it refuses to write. */
export function withoutKind(error: unknown): unknown {
  if (sqlStateOf(error) !== '0A000') return error;
  return Object.assign(new Error('the server is in recovery', { cause: error }), { code: '25006', severity: 'ERROR' });
}

/** What was said last, as one of our errors. `uncertain`: some try may have taken effect. */
export function fault(error: unknown, doing: string, uncertain: boolean): HoldfastError {
  if (error instanceof HoldfastError) return error;
  const state = sqlStateOf(error) ?? sqlStateOf((error as Error | undefined)?.cause);
  const said = messageOf(error);
  const details = { cause: error };
  if (state === '22003') {
    return new BackendCorruptError(
      'a fence stands at the end of its range: find out who wrote it, and delete the row when nobody holds the lock',
      details,
    );
  }
  const fix = state === undefined ? undefined : lasting.find(([pattern]) => pattern.test(state))?.[1];
  if (fix !== undefined) {
    const message = `PostgreSQL: ${said}: ${fix}`;
    if (uncertain) return new OutcomeUnknownError(message, details);
    if (/^(?:42(?!501)|0A|22)/.test(state ?? '')) return new NotSupportedError(message, details);
    return new BackendUnavailableError(message, { ...details, permanent: true });
  }
  const message = `PostgreSQL failed while ${doing}: ${said}`;
  if (uncertain) return new OutcomeUnknownError(`${message}: check that the server is reachable`, details);
  return new BackendUnavailableError(
    `${message}: ${advice.find(([code]) => code === state)?.[1] ?? 'check that the server is up'}`,
    { ...details, full: state === diskFull },
  );
}
