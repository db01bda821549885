import { InvalidArgumentError } from '../../core/errors.js';
import { limits } from '../../core/limits.js';
import type { Acls } from './client.js';
import { parseRoot } from './paths.js';

export interface ZooKeeperOptions {
  /** The node below which everything lies; made where it is missing. Default: `/holdfast`. */
  readonly root?: string;
  /** How long one call may take, all its steps included; never longer than the lease allows. Default: 2,000. */
  readonly commandTimeoutMs?: number;
  /** Who may do what with the nodes: `ACL.CREATOR_ALL_ACL` of the library, for clients with a login. Default: everybody. */
  readonly acl?: Acls;
}

export interface Settings {
  readonly root: string;
  readonly commandTimeoutMs: number;
  readonly acl: Acls | undefined;
}

const rootDefault = '/holdfast';
const commandTimeoutMsDefault = 2_000;

/** @throws InvalidArgumentError */
export function parseOptions(options: ZooKeeperOptions = {}): Settings {
  const { root = rootDefault, commandTimeoutMs = commandTimeoutMsDefault, acl } = options;
  const legal = Number.isInteger(commandTimeoutMs) && commandTimeoutMs >= limits.callTimeoutMsMin;
  if (!legal || commandTimeoutMs > limits.durationMsMax) {
    throw new InvalidArgumentError(
      `commandTimeoutMs must be ${limits.callTimeoutMsMin} to ${limits.durationMsMax}, not ${String(commandTimeoutMs)}`,
    );
  }
  if (acl !== undefined && !(Array.isArray(acl) && acl.length > 0)) {
    throw new InvalidArgumentError("acl must be a list of the library's ACLs, such as ACL.CREATOR_ALL_ACL");
  }
  return { root: parseRoot(root), commandTimeoutMs, acl };
}
