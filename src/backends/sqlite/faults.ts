import { BackendCorruptError, BackendUnavailableError, HoldfastError } from '../../core/errors.js';
import { code, sqliteCode } from './result-codes.js';

/** Somebody else is writing, or recovers the file, right now. */
export function isBusy(error: unknown): boolean {
  const found = sqliteCode(error);
  return found === code.BUSY || found === code.LOCKED || found === code.PROTOCOL;
}

/** What SQLite said, as one of our errors: which file, and the way out. */
export function fault(error: unknown, path: string): HoldfastError {
  if (error instanceof HoldfastError) return error;
  const said = error instanceof Error ? error.message : String(error);
  const details = { cause: error };
  switch (sqliteCode(error) ?? fromErrno(error)) {
    case code.BUSY:
    case code.LOCKED:
    case code.PROTOCOL:
      return new BackendUnavailableError(busyMessage(path), details);
    case code.READONLY:
      return new BackendUnavailableError(
        `${path} cannot be written (${said}): give this user write access to the file, its "-wal" and "-shm" companions and its directory, or choose another path`,
        { ...details, permanent: true },
      );
    case code.FULL:
      return new BackendUnavailableError(`no space is left for ${path}: free some; nothing was changed`, {
        ...details,
        full: true,
      });
    case code.IOERR:
      return new BackendUnavailableError(
        `${path} cannot be read or written (${said}): check the disk; if the file was cut short, move it away, and a new one will be made`,
        details,
      );
    case code.CANTOPEN:
      return new BackendUnavailableError(
        `${path} cannot be opened (${said}): check that the directory exists, and that this user may write to it and to the file`,
        { ...details, permanent: true },
      );
    case code.NOTADB:
    case code.CORRUPT:
      return new BackendCorruptError(
        `${path} is no intact SQLite database (${said}): stop whoever uses it, move it and its "-wal" and "-shm" companions away, and a new one will be made`,
        details,
      );
    default:
      return new BackendUnavailableError(`${path} does not answer as expected: ${said}`, details);
  }
}

/** What Node's own file calls say, in SQLite's words. */
function fromErrno(error: unknown): number | undefined {
  switch ((error as NodeJS.ErrnoException | undefined)?.code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return code.FULL;
    case 'EIO':
      return code.IOERR;
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return code.READONLY;
    case 'ENOTDIR':
    case 'ENOENT':
    case 'EEXIST':
    case 'ENAMETOOLONG':
      return code.CANTOPEN;
    default:
      return undefined;
  }
}

export function busyMessage(path: string): string {
  return `${path} is locked by another process: find it with "fuser ${path}" (a database shell with an open transaction, a backup, a stopped process) and let it finish`;
}
