import { messageOf } from '../../core/calls.js';
import { BackendUnavailableError, ClosedError, HoldfastError, OutcomeUnknownError } from '../../core/errors.js';
import { codeOf, codes } from './client.js';

const lasting: Readonly<Record<number, string>> = {
  [codes.noAuth]:
    'this client may not do that: give it the login that made the nodes (addAuthInfo, or user:password@ in the URL), or change their ACL',
  [codes.authFailed]: 'the server refused the login: correct it',
  [codes.invalidAcl]: 'the ACL asks for a login, and the client has none: addAuthInfo, or user:password@ in the URL',
};

/**
 * What the client library says, as one of our errors.
 *
 * @param uncertain the call may have taken effect
 */
export function fault(error: unknown, doing: string, uncertain: boolean): HoldfastError {
  if (error instanceof HoldfastError) return error;
  const details = { cause: error };
  const code = codeOf(error);
  const fix = code === undefined ? undefined : lasting[code];
  if (fix !== undefined) return new BackendUnavailableError(`ZooKeeper: ${fix}`, { ...details, permanent: true });
  const said = code === codes.connectionLoss ? 'the connection was lost' : messageOf(error);
  // A session that is over is told so before anything is done for it.
  if (uncertain && code !== codes.sessionExpired) {
    return new OutcomeUnknownError(`ZooKeeper failed while ${doing}: ${said}: check that the servers are reachable`, details);
  }
  return new BackendUnavailableError(`ZooKeeper failed while ${doing}: ${said}: check that the servers are up`, details);
}

export function closed(): ClosedError {
  return new ClosedError('this ZooKeeper backend is closed: make a new one');
}
