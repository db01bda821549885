import { messageOf } from '../../core/calls.js';
import { BackendUnavailableError, HoldfastError, OutcomeUnknownError } from '../../core/errors.js';

/** What an error means for the call that met it. */
export type Verdict =
  /** Nothing was done; it may pass by itself, or on another server. */
  | 'refused'
  /** It may have been done. */
  | 'unknown'
  /** Nothing was done: the session that was to lock a key is gone. */
  | 'session-gone'
  /** Nothing was done, and asking again cannot help. */
  | 'permanent';

/** What an agent said with a status that is no answer. */
export class ReplyError extends Error {
  readonly status: number;

  constructor(status: number, text: string) {
    super(text.trim().slice(0, 500) || `HTTP status ${status}`);
    this.status = status;
  }
}

// Agents answer with 500 whatever went wrong between servers; the text says more. Whatever is not here may have been done:
// "leadership lost while committing log", "rpc error making call: EOF", "timed out enqueuing operation".
const known: readonly (readonly [pattern: RegExp, verdict: Verdict])[] = [
  [/invalid session/i, 'session-gone'],
  [/No cluster leader|node is not the leader|not ready to serve consistent reads|No known Consul servers/i, 'refused'],
  [/rate limit|too many requests|Your IP is issuing too many/i, 'refused'],
];

const lasting: readonly (readonly [pattern: RegExp, fix: string])[] = [
  [
    /Permission denied|lacks permission/i,
    'give the token the rules key_prefix "PREFIX" { policy = "write" } and session_prefix "" { policy = "write" }',
  ],
  [/ACL not found|token does not exist/i, 'this cluster does not know the token: give consul() one that is valid'],
  [/No path to datacenter/i, 'this cluster knows no datacenter of that name'],
  [/Invalid Session TTL/i, 'set session_ttl_min of the servers to 60s or less'],
  [
    /too large|exceeds|too many operations/i,
    'this is more than a transaction may have: shorten the metadata or the value, or see limits in the agent',
  ],
  [/HTTP request to an HTTPS server/i, 'this is the port for TLS: write https: (in a URL consul+tls:)'],
  [/cross datacenter lock/i, 'give the address of a server agent, or of an agent in that datacenter'],
];

// Of servers that may come and go, or get another certificate, so these are tried again.
const passing: typeof lasting = [
  [/altname/i, 'give tls.servername, or the name in its certificate as the address'],
  [/certificate has expired/i, 'renew it'],
  [/self.signed certificate|unable to (?:verify|get)/i, 'give tls.ca, the certificate of who signed it (in a URL cacert=FILE)'],
  [/certificate required|bad certificate/i, 'give tls.cert and tls.key, which the agent asks for'],
  [/wrong version number/i, 'this port takes no TLS: write http: (in a URL consul:), or give the HTTPS port'],
];

/** Of errors of node:net: no connection was made, so nothing was sent. */
const unsent: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);

export function verdictOf(error: unknown): Verdict {
  if (error instanceof OutcomeUnknownError) return 'unknown';
  const said = messageOf(error);
  const verdict = known.find(([pattern]) => pattern.test(said))?.[1];
  if (verdict !== undefined) return verdict;
  if (fixFor(said) !== undefined) return 'permanent';
  if (error instanceof ReplyError) {
    if (error.status === 429 || error.status === 503) return 'refused';
    return error.status < 500 ? 'permanent' : 'unknown';
  }
  const { code, errors } = Object(error) as { readonly code?: unknown; readonly errors?: readonly unknown[] };
  // Of a host with several addresses: each was tried.
  if (errors !== undefined) return errors.every((one) => unsent.has(Object(one).code)) ? 'refused' : 'unknown';
  return unsent.has(code) || isTls(code) || /wrong version number/i.test(said) ? 'refused' : 'unknown';
}

/** Of a handshake that failed; later errors of TLS may come when the request has been read. */
function isTls(code: unknown): boolean {
  const handshake = /^(?:ERR_TLS|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|ERR_SSL_.*(?:CERTIFICATE|HANDSHAKE|VERSION|UNKNOWN_CA))/;
  return typeof code === 'string' && handshake.test(code);
}

function fixFor(said: string): string | undefined {
  return lasting.find(([pattern]) => pattern.test(said))?.[1];
}

/** As one of our errors. `uncertain`: some try may have taken effect. */
export function fault(error: unknown, doing: string, uncertain: boolean): HoldfastError {
  if (error instanceof HoldfastError) return error;
  const said = messageOf(error) || String(Object(error).code);
  const details = { cause: error };
  const fix = fixFor(said);
  if (fix !== undefined) {
    const message = `Consul: ${said}: ${fix}`;
    return uncertain
      ? new OutcomeUnknownError(message, details)
      : new BackendUnavailableError(message, { ...details, permanent: true });
  }
  const message = `Consul failed while ${doing}: ${said.trim()}`;
  const known = passing.find(([pattern]) => pattern.test(said))?.[1];
  const advice = known ?? 'check that the agent is reachable and that a majority of the servers is up';
  if (uncertain) return new OutcomeUnknownError(`${message}: ${advice}`, details);
  return new BackendUnavailableError(`${message}: ${advice}`, details);
}

/** For what failed after something was done, or may have been: "nothing was granted" would be wrong. */
export function unsettled(error: unknown): unknown {
  if (!(error instanceof BackendUnavailableError)) return error;
  return new OutcomeUnknownError(error.message, { cause: error.cause });
}
