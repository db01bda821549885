import { HoldfastError } from '../core/errors.js';

/** Exit statuses after BSD's sysexits.h, so that they cannot be taken for those of an ordinary command. */
export const exit = {
  ok: 0,
  /** What was looked at is not safe, or not as the command line has it, or a person said no; the output says what. */
  unsafe: 1,
  /** The command line is wrong: EX_USAGE. */
  usage: 64,
  /** Some requests stay frozen: EX_DATAERR. */
  unresolved: 65,
  /** The store cannot be used: EX_UNAVAILABLE. */
  unavailable: 69,
  /** A defect of this program: EX_SOFTWARE. */
  internal: 70,
  /** Not obtained in time, try again later: EX_TEMPFAIL. */
  notObtained: 75,
  /** The lease was lost and the command stopped: EX_PROTOCOL, the next free one. */
  lost: 76,
  /** As a shell has them. */
  notExecutable: 126,
  notFound: 127,
  signalBase: 128,
} as const;

/** Ends the program with a sentence for the person, and no stack. */
export class CliError extends Error {
  readonly status: number;

  constructor(status: number, sentence: string) {
    super(sentence);
    this.status = status;
  }
}

export function usage(sentence: string): CliError {
  return new CliError(exit.usage, sentence);
}

const statusOf = {
  BUSY: exit.notObtained,
  TIMED_OUT: exit.notObtained,
  LIMIT_EXCEEDED: exit.notObtained,
  BACKEND_UNAVAILABLE: exit.unavailable,
  BACKEND_CORRUPT: exit.unavailable,
  OUTCOME_UNKNOWN: exit.unavailable,
  CLOSED: exit.unavailable,
  LEASE_LOST: exit.lost,
  STALE_FENCE: exit.lost,
  INVALID_ARGUMENT: exit.usage,
  NOT_SUPPORTED: exit.usage,
  DEADLOCK: exit.usage,
} as const satisfies Record<HoldfastError['code'], number>;

/** Where the Web Locks API names the exception, ours is its cause. */
function ours(error: unknown): HoldfastError | undefined {
  if (error instanceof HoldfastError) return error;
  return error instanceof Error && error.cause instanceof HoldfastError ? error.cause : undefined;
}

/** What a person reads, and what a program gets, for anything that was thrown. */
export function verdict(error: unknown): { readonly status: number; readonly sentence: string } {
  if (error instanceof CliError) return { status: error.status, sentence: error.message };
  const known = ours(error);
  if (known !== undefined) return { status: statusOf[known.code], sentence: known.message };
  const detail = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return { status: exit.internal, sentence: `internal error, please report it (HOLDFAST_DEBUG=1 shows more): ${detail}` };
}
