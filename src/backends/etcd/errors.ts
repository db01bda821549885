import { messageOf } from '../../core/calls.js';
import { BackendCorruptError, BackendUnavailableError, HoldfastError, OutcomeUnknownError } from '../../core/errors.js';

/** What an error of the client or of a member means for the call that met it. */
export type Verdict =
  /** Nothing was done; it may pass by itself, or on another member. */
  | 'refused'
  /** Nothing was done, and asking again at once cannot help: the database is full. */
  | 'full'
  /** It may have been done. */
  | 'unknown'
  /** Nothing was done: the token is over, a new one is needed. */
  | 'token'
  /** Nothing was done: the lease of a key that was to be written is gone. */
  | 'lease-gone'
  /** Nothing was done: a lease with this id is there already. */
  | 'lease-exists'
  /** Nothing was done: that old revision is forgotten. */
  | 'compacted'
  /** Nothing was done, and asking again cannot help. */
  | 'permanent';

// etcd's errors have texts of their own, which etcd's clients go by as well; the gRPC code says less.

const known: readonly (readonly [pattern: RegExp, verdict: Verdict])[] = [
  [/requested lease not found/, 'lease-gone'],
  [/lease already exists/, 'lease-exists'],
  [/required revision has been compacted/, 'compacted'],
  [/database space exceeded/, 'full'],
  [/invalid auth token|revision in header is old/, 'token'],
  // A member may also be unable to say what became of what it has proposed (`request timed out`, and `server stopped` of one that was
  // removed or ends): those texts are not here.
  [/etcdserver: (?:no leader|too many requests|not capable|leader changed|not supported for learner)/, 'refused'],
  // Of grpc-js: the request was not sent.
  [/^(?:No connection established|Name resolution failed|Channel has been shut down)/, 'refused'],
];

const lasting: readonly (readonly [pattern: RegExp, fix: string])[] = [
  [/authentication failed, invalid user ID or password/, 'give the right user and password'],
  [/user name is empty|user name not found/, 'this cluster asks for a password: give etcd() a user'],
  [/authentication is not enabled/, 'this cluster has no passwords: leave user out'],
  [
    /permission denied/,
    'let this user read and write the keys of Holdfast: etcdctl role grant-permission ROLE --prefix readwrite PREFIX',
  ],
  [/too many operations in txn request/, 'start the members with the default --max-txn-ops of 128, or with more'],
  [/corrupt cluster/, 'the members disagree about the data: see etcdctl alarm list, and restore the cluster'],
];

export function verdictOf(error: unknown): Verdict {
  if (error instanceof OutcomeUnknownError) return 'unknown';
  const said = saidBy(error);
  const verdict = known.find(([pattern]) => pattern.test(said))?.[1];
  if (verdict !== undefined) return verdict;
  return lasting.some(([pattern]) => pattern.test(said)) ? 'permanent' : 'unknown';
}

/** grpc-js puts the code and its name before what was said, and a note about names behind it, which is often empty. */
export function saidBy(error: unknown): string {
  const details = (error as { details?: unknown } | undefined)?.details;
  const said = typeof details === 'string' && details !== '' ? details : messageOf(error);
  return said.replace(/\.?\s*Resolution note:\s*$/, '');
}

/** What was said last, as one of our errors. `uncertain`: some try may have taken effect. */
export function fault(error: unknown, doing: string, uncertain: boolean): HoldfastError {
  if (error instanceof HoldfastError && !(error instanceof OutcomeUnknownError)) return error;
  const said = saidBy(error);
  const details = { cause: error };
  const fix = lasting.find(([pattern]) => pattern.test(said))?.[1];
  if (fix !== undefined) {
    if (uncertain) return new OutcomeUnknownError(`etcd: ${said}: ${fix}`, details);
    if (/corrupt/.test(said)) return new BackendCorruptError(`etcd: ${said}: ${fix}`, details);
    return new BackendUnavailableError(`etcd: ${said}: ${fix}`, { ...details, permanent: true });
  }
  if (error instanceof OutcomeUnknownError) return error;
  const message = `etcd failed while ${doing}: ${said}`;
  if (uncertain) return new OutcomeUnknownError(`${message}: check that a majority of the members is up and reachable`, details);
  return new BackendUnavailableError(`${message}: ${adviceFor(said)}`, { ...details, full: verdictOf(error) === 'full' });
}

function adviceFor(said: string): string {
  if (/database space exceeded/.test(said)) return 'compact and defragment it, then etcdctl alarm disarm';
  if (/no leader|leader changed/.test(said)) return 'see that a majority of the members is up';
  return 'check that the members are up and reachable';
}

/** For what failed after something was done, or may have been: "nothing was granted" would be wrong. */
export function unsettled(error: unknown): unknown {
  if (!(error instanceof BackendUnavailableError)) return error;
  return new OutcomeUnknownError(error.message, { cause: error.cause });
}
