import { messageOf } from '../../core/calls.js';
import {
  BackendCorruptError,
  BackendUnavailableError,
  HoldfastError,
  NotSupportedError,
  OutcomeUnknownError,
} from '../../core/errors.js';
import { NotConnectedError } from './driver.js';

/** What an error of a client or server means for the command that met it. */
export type Verdict =
  /** The script is not in the server's cache. */
  | 'no-script'
  /** Nothing was done; it may pass by itself. */
  | 'refused'
  /** It may have been done. */
  | 'unknown'
  /** Nothing was done, and asking again cannot help. */
  | 'permanent';

/** First words of the server's errors that pass: a failover, a restart, a slot on its way, another script, a full memory. */
const passing = /^(?:READONLY|LOADING|CLUSTERDOWN|TRYAGAIN|MOVED|ASK|BUSY|MASTERDOWN|NOREPLICAS|MISCONF|OOM|UNKILLABLE)\b/;
/** A script may have written before it met a key that is elsewhere; a client that gave up on redirections may have sent it more than once. */
const halfway = /Script attempted to access a non local key|^Too many Cluster redirections/;

/** The client knows that it has not sent it. Neither library has codes for that. */
const notSent =
  /^(?:Stream isn't writeable and enableOfflineQueue options is false|The client is (?:closed|offline)|Redis is already connecting|None of startup nodes|Cluster isn't ready)/;

const lasting: readonly (readonly [pattern: RegExp, fix: string])[] = [
  [/^(?:WRONGPASS|NOAUTH|ERR invalid password|ERR AUTH)/, 'give the client the right username and password'],
  [
    // The same from within a script: in the words of Redis 7.0, and in those of 7.2 and Valkey.
    /^(?:NOPERM|ERR The user executing the script can't|ERR ACL failure in script)/,
    'allow this user what Holdfast needs: ACL SETUSER … ~PREFIX* ~{PREFIX* &PREFIX* +@read +@write +@scripting +@pubsub +time',
  ],
  [/^ERR unknown command/, 'Holdfast needs EVALSHA, EVAL and PUBLISH: allow them on this server, or use another one'],
  [/^(?:CROSSSLOT|ERR CROSSSLOT)/, 'connect with a Cluster client'],
  [/^(?:ERR DB index|ERR SELECT is not allowed)/, 'choose a database that this server has'],
  [/^DENIED/, 'the server is in protected mode: set a password, or bind it to an address that the client may use'],
];

/** What to do about errors that mostly pass by themselves, where one did not. */
const advice: readonly (readonly [start: string, fix: string])[] = [
  ['READONLY', 'this server is a replica; connect to the master, or through Sentinel'],
  ['MOVED', 'this server is part of a Cluster; use a Cluster client'],
  ['ASK', 'this server is part of a Cluster; use a Cluster client'],
  ['OOM', 'the server is full; raise maxmemory'],
  ['MISCONF', 'the server cannot write to its disk; see its log'],
  ['The client is closed', 'call connect() on the client, and close it after Holdfast'],
];

export function verdictOf(error: unknown): Verdict {
  const said = saidBy(error);
  if (said.startsWith('NOSCRIPT')) return 'no-script';
  if (halfway.test(messageOf(error))) return 'unknown';
  if (passing.test(said) || notSent.test(said)) return 'refused';
  if (isLasting(said) || said.startsWith('HOLDFASTCORRUPT')) return 'permanent';
  return error instanceof NotConnectedError ? 'refused' : 'unknown';
}

/** ioredis prefixes what the server answers to the first command of a connection, and last of all. */
function saidBy(error: unknown): string {
  return messageOf(error).replace(/^(?:Ready check failed: |Too many Cluster redirections\. Last error: (?:\w*Error: )?)/, '');
}

function isLasting(said: string): boolean {
  return lasting.some(([pattern]) => pattern.test(said));
}

/** What was said last, as one of our errors. `uncertain`: some try may have taken effect. */
export function fault(error: unknown, doing: string, uncertain: boolean): HoldfastError {
  if (error instanceof HoldfastError) return error;
  const said = saidBy(error);
  const details = { cause: error };
  if (said.startsWith('HOLDFASTCORRUPT')) {
    const what = said.slice('HOLDFASTCORRUPT '.length);
    return new BackendCorruptError(`${what}: find out who wrote it, and delete it when nobody holds the lock`, details);
  }
  const fix = lasting.find(([pattern]) => pattern.test(said))?.[1];
  if (fix !== undefined) {
    if (uncertain) return new OutcomeUnknownError(`Redis: ${said}: ${fix}`, details);
    if (/^(?:CROSSSLOT|ERR CROSSSLOT|ERR unknown)/.test(said)) return new NotSupportedError(`Redis: ${said}: ${fix}`, details);
    return new BackendUnavailableError(`Redis: ${said}: ${fix}`, { ...details, permanent: true });
  }
  const message = `Redis failed while ${doing}: ${said}`;
  if (uncertain) return new OutcomeUnknownError(`${message}: check that the server is reachable`, details);
  return new BackendUnavailableError(`${message}: ${adviceFor(said)}`, { ...details, full: isFull(error) });
}

/** The server has no memory left, and is told to evict nothing. */
export function isFull(error: unknown): boolean {
  return saidBy(error).startsWith('OOM');
}

function adviceFor(said: string): string {
  return advice.find(([start]) => said.startsWith(start))?.[1] ?? 'check that the server is up';
}
